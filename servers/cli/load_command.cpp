#include "servers/cli/load_command.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <bullpen/clock.hpp>
#include "core/process.hpp"
#include "servers/bench/load/idle_clients.hpp"
#include "servers/bench/load/interruption.hpp"
#include "servers/bench/text/number_text.hpp"
#include "servers/bench/text/progress_line.hpp"
#include "servers/cli/datagram_load_command.hpp"
#include "servers/cli/load_report.hpp"
#include "servers/cli/output.hpp"
#include "servers/cli/result_file.hpp"

namespace bullpen {
namespace {

/// Shows how far a load is, and ends it when nobody answers or the user has had enough.
class Watch {
public:
    explicit Watch(const Interruption& interruption) : interruption_{interruption} {}

    LoadResult run(LoadOptions options, const std::string& what) {
        const std::uint64_t began_ns = monotonic_ns();
        options.report = [&](const LoadResult& so_far) {
            constexpr long failures_enough = 1000;
            gave_up_ = so_far.requests == 0 && so_far.failed() >= failures_enough;
            const double passed_s = static_cast<double>(monotonic_ns() - began_ns) / 1e9;
            progress_.show(what + grouped(std::llround(std::floor(passed_s))) + " s, " +
                           grouped(so_far.requests) + " answers, " + grouped(so_far.failed()) + " errors");
        };
        options.keep_going = [&](long) { return !interruption_.came() && !gave_up_; };
        LoadResult result = run_load(options);
        progress_.clear();
        return result;
    }

    [[nodiscard]] bool gave_up() const noexcept { return gave_up_; }

private:
    const Interruption& interruption_;
    ProgressLine progress_;
    bool gave_up_ = false;
};

LoadOptions warm_up_from(LoadOptions options, double seconds) {
    options.connections = options.requests = 0;
    options.duration = std::chrono::milliseconds{std::llround(std::ceil(seconds * 1000))};
    return options;
}

/// A file is replaced as a whole; "-" is stdout, and then the report goes to stderr.
class JsonTarget {
public:
    explicit JsonTarget(const std::string& name) : to_stdout_{name == "-"} {
        if (!name.empty() && !to_stdout_) file_.emplace(name);
    }

    void write(const LoadReport& report) {
        if (file_) file_->commit(load_to_json(report));
        if (to_stdout_) {
            print(load_to_json(report));
            write_whole(STDERR_FILENO, render_load(report), "to standard error");
        } else {
            print(render_load(report));
        }
    }

private:
    bool to_stdout_;
    std::optional<ResultFile> file_;
};

void check_descriptors(const LoadArguments& arguments, rlim_t limit) {
    constexpr long others = 20;
    const long needed = arguments.idle + arguments.concurrency + others;
    if (arguments.idle > 0 && static_cast<rlim_t>(needed) > limit)
        throw std::invalid_argument{"--idle: with --concurrency this takes " + std::to_string(needed) +
                                    " descriptors, and a process may open " + std::to_string(limit) +
                                    " here (ulimit -Hn)"};
}

/// Says when they are there: another program may wait for that.
std::optional<IdleClients> open_idle(const LoadOptions& options, long count,
                                     const Interruption& interruption) {
    if (count == 0) return std::nullopt;
    std::optional<IdleClients> idle{std::in_place, options, count, [&] { return !interruption.came(); }};
    std::fprintf(stderr, "bullpen: %s of %s idle connections are open\n", grouped(idle->count()).c_str(),
                 grouped(count).c_str());
    return idle;
}

}  // namespace

int run_load_command(const LoadArguments& arguments) {
    if (is_datagram_url(arguments.url)) return run_datagram_load_command(arguments);
    const LoadOptions options = load_options_from(arguments);
    JsonTarget target{arguments.json_file};
    check_descriptors(arguments, raise_descriptor_limit());
    const Interruption interruption;
    Watch watch{interruption};
    if (arguments.warm_up > 0) watch.run(warm_up_from(options, arguments.warm_up), "warming up: ");
    const auto idle = open_idle(options, arguments.idle, interruption);
    const LoadResult result = watch.run(options, "");
    LoadReport report{
        .url = arguments.url,
        .options = options,
        .result = result,
        .interrupted = interruption.came(),
        .gave_up = watch.gave_up(),
    };
    if (idle) report.idle = IdleCounts{arguments.idle, idle->count(), idle->undisturbed()};
    target.write(report);
    if (report.interrupted) return exit_interrupted;
    if (report.idle && report.idle->undisturbed < report.idle->asked) return 1;
    return result.failed() == 0 && result.requests > 0 ? 0 : 1;
}

}  // namespace bullpen
