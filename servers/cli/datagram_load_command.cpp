#include "servers/cli/datagram_load_command.hpp"

#include <fmt/format.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/process.hpp"
#include "core/resolve.hpp"
#include "core/utf8.hpp"
#include "servers/bench/load/interruption.hpp"
#include "servers/bench/text/number_text.hpp"
#include "servers/bench/text/progress_line.hpp"
#include "servers/cli/output.hpp"
#include "servers/cli/result_file.hpp"

namespace bullpen {
namespace {

namespace json = boost::json;

constexpr std::string_view udp_scheme = "udp://";
constexpr std::string_view unixgram_scheme = "unixgram:";
constexpr long question_most = 65'507;  ///< Bytes that UDP over IPv4 has room for.

bool begins_with(std::string_view url, std::string_view scheme) noexcept {
    return url.size() >= scheme.size() && ::strncasecmp(url.data(), scheme.data(), scheme.size()) == 0;
}

/// As resolve() takes it.
std::string address_text_of(std::string_view url) {
    if (begins_with(url, unixgram_scheme))
        return std::string{unixgram_scheme}.append(url.substr(unixgram_scheme.size()));
    std::string_view address = url.substr(udp_scheme.size());
    if (address.ends_with('/')) address.remove_suffix(1);
    return "udp:" + std::string{address};
}

void check_datagram_flags(const LoadArguments& arguments) {
    const LoadArguments usual;
    const std::pair<const char*, bool> of_connections[] = {
        {"--idle", arguments.idle != 0},
        {"--connections", arguments.connections != 0},
        {"--rate", arguments.rate != 0},
        {"--arrivals", arguments.arrivals != usual.arrivals},
        {"--seed", arguments.seed.has_value()},
        {"--keep-alive", !arguments.keep_alive.empty()},
        {"--think-time", arguments.think_time != 0},
        {"--slow-send", !arguments.slow_send.empty()},
        {"--source", !arguments.source.empty()},
        {"--method", !arguments.method.empty()},
        {"--header", !arguments.headers.empty()},
        {"--unix", !arguments.unix_socket.empty()},
        {"--request-file", !arguments.request_file.empty()},
        {"--message", !arguments.message.empty()},
        {"--expect", !arguments.expect.empty()},
        {"--timeout", arguments.timeout != usual.timeout},
        {"--warm-up", arguments.warm_up != 0},
    };
    for (const auto& [flag, given] : of_connections)
        if (given)
            throw std::invalid_argument{std::string{flag} + ": it goes with connections, not with datagrams"};
    if (arguments.size > question_most || (arguments.size > 0 && arguments.size < long{question_header}))
        throw std::invalid_argument{"--size: a question has from " + std::to_string(question_header) +
                                    " to " + std::to_string(question_most) + " bytes"};
}

std::string datagram_line(const char* name, long number, double wall_s) {
    const double per_second = wall_s > 0 ? static_cast<double>(number) / wall_s : 0;
    return fmt::format("{:<16}{:>14}{:>14} per second\n", name, grouped(number), whole(per_second));
}

std::string latency_line(const Latencies& latencies) {
    const LatencySummary summary = latencies.summary();
    return fmt::format("{:<16}p50 {}, p90 {}, p99 {}, max {} µs\n", "latency", whole(summary.p50_us),
                       whole(summary.p90_us), whole(summary.p99_us), whole(summary.max_us));
}

double microseconds(RoundTripTime::Duration span) noexcept {
    return std::chrono::duration<double, std::micro>{span}.count();
}

void write_report(const DatagramLoadReport& report, const std::string& json_file,
                  std::optional<ResultFile>& file) {
    if (file) file->commit(datagram_load_to_json(report));
    if (json_file == "-") {
        print(datagram_load_to_json(report));
        write_whole(STDERR_FILENO, render_datagram_load(report), "to standard error");
    } else {
        print(render_datagram_load(report));
    }
}

}  // namespace

bool is_datagram_url(std::string_view url) noexcept {
    return begins_with(url, udp_scheme) || begins_with(url, unixgram_scheme);
}

DatagramLoadOptions datagram_load_options_from(const LoadArguments& arguments) {
    check_datagram_flags(arguments);
    constexpr double usual_s = 10;
    const bool endless = arguments.requests == 0 && arguments.duration == 0;
    const double duration_s = endless ? usual_s : arguments.duration;
    DatagramLoadOptions options{.server = resolve(address_text_of(arguments.url)).front(),
                                .concurrency = static_cast<int>(arguments.concurrency),
                                .questions = arguments.requests,
                                .duration = std::chrono::milliseconds{std::llround(duration_s * 1000)}};
    if (arguments.size > 0) options.size = static_cast<std::size_t>(arguments.size);
    if (arguments.attempts > 0) options.attempts_max = static_cast<int>(arguments.attempts);
    return options;
}

std::string render_datagram_load(const DatagramLoadReport& report) {
    const DatagramLoadResult& result = report.result;
    std::string text =
        fmt::format("{} ({}): {} at once, {} bytes a question, sent {} times at most.\n\n", report.url,
                    report.options.server.text(), report.options.concurrency,
                    std::max(report.options.size, question_header), report.options.attempts_max);
    const auto line = [&](const char* name, long number) {
        return datagram_line(name, number, result.wall_s);
    };
    text += line("answered", result.answered) + line("given up", result.given_up) +
            line("sent", result.sent) + line("retransmitted", result.retransmissions) +
            line("answers", result.answers);
    text += fmt::format("{:<16}{:>13.2f}%\n", "loss", 100 * result.loss());
    text += latency_line(result.latencies);
    text += fmt::format("{:<16}{} µs, variation {} µs\n", "round trip",
                        whole(microseconds(result.round_trip.smoothed())),
                        whole(microseconds(result.round_trip.variation())));
    if (result.refused > 0)
        text += grouped(result.refused) + " were refused at once: does anybody listen there?\n";
    if (result.duplicates > 0) text += grouped(result.duplicates) + " of the answers came twice.\n";
    if (result.strays > 0) text += grouped(result.strays) + " datagrams came that answer no question.\n";
    if (report.gave_up) text += "Nothing was answered, so that the load was ended.\n";
    return text;
}

std::string datagram_load_to_json(const DatagramLoadReport& report) {
    const DatagramLoadResult& result = report.result;
    const LatencySummary latency = result.latencies.summary();
    const double per_second = result.wall_s > 0 ? static_cast<double>(result.answered) / result.wall_s : 0;
    const json::object object{
        {"url", to_utf8(report.url)},
        {"concurrency", report.options.concurrency},
        {"requests", result.answered},
        {"failed", result.given_up},
        {"duration_s", result.wall_s},
        {"requests_per_s", per_second},
        {"sent", result.sent},
        {"retransmissions", result.retransmissions},
        {"refused", result.refused},
        {"answers", result.answers},
        {"duplicates", result.duplicates},
        {"strays", result.strays},
        {"loss", result.loss()},
        {"latency_us", json::object{{"p50", latency.p50_us},
                                    {"p90", latency.p90_us},
                                    {"p99", latency.p99_us},
                                    {"p999", latency.p999_us},
                                    {"max", latency.max_us},
                                    {"mean", latency.mean_us}}},
        {"round_trip_us", microseconds(result.round_trip.smoothed())},
        {"round_trip_variation_us", microseconds(result.round_trip.variation())},
        {"client_cpu_s", result.client_cpu_s},
        {"interrupted", report.interrupted},
        {"gave_up", report.gave_up},
    };
    return json::serialize(object) + "\n";
}

int run_datagram_load_command(const LoadArguments& arguments) {
    DatagramLoadOptions options = datagram_load_options_from(arguments);
    std::optional<ResultFile> file;
    if (!arguments.json_file.empty() && arguments.json_file != "-") file.emplace(arguments.json_file);
    raise_descriptor_limit();
    const Interruption interruption;
    ProgressLine progress;
    bool gave_up = false;
    options.keep_going = [&](long answered, long given_up) {
        constexpr long enough = 1000;
        gave_up = answered == 0 && given_up >= enough;
        progress.show(grouped(answered) + " answers, " + grouped(given_up) + " given up");
        return !interruption.came() && !gave_up;
    };
    const DatagramLoadResult result = run_datagram_load(options);
    progress.clear();
    const DatagramLoadReport report{.url = arguments.url,
                                    .options = options,
                                    .result = result,
                                    .interrupted = interruption.came(),
                                    .gave_up = gave_up};
    write_report(report, arguments.json_file, file);
    if (report.interrupted) return exit_interrupted;
    return result.given_up == 0 && result.answered > 0 ? 0 : 1;
}

}  // namespace bullpen
