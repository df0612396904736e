#include "servers/cli/load_command.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "core/clock.hpp"
#include "core/process.hpp"
#include "servers/cli/interruption.hpp"
#include "servers/cli/load_report.hpp"
#include "servers/cli/number_text.hpp"
#include "servers/cli/progress_line.hpp"
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
        std::fputs(render_load(report).c_str(), to_stdout_ ? stderr : stdout);
        if (to_stdout_) std::fputs(load_to_json(report).c_str(), stdout);
    }

private:
    bool to_stdout_;
    std::optional<ResultFile> file_;
};

}  // namespace

int run_load_command(const LoadArguments& arguments) {
    const LoadOptions options = load_options_from(arguments);
    JsonTarget target{arguments.json_file};
    raise_descriptor_limit();
    const Interruption interruption;
    Watch watch{interruption};
    if (arguments.warm_up > 0) watch.run(warm_up_from(options, arguments.warm_up), "warming up: ");
    const LoadResult result = watch.run(options, "");
    const LoadReport report{
        .url = arguments.url,
        .options = options,
        .result = result,
        .interrupted = interruption.came(),
        .gave_up = watch.gave_up(),
    };
    target.write(report);
    if (report.interrupted) return exit_interrupted;
    return result.failed() == 0 && result.requests > 0 ? 0 : 1;
}

}  // namespace bullpen
