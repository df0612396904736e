#include "servers/cli/load_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/text/number_text.hpp"
#include "servers/bench/text/text_table.hpp"

namespace bullpen {
namespace {

constexpr std::size_t few = 1000;  ///< Samples, for a p99 to be worth a word.

std::string padded(const std::string& text, std::size_t width) {
    return std::string(width - std::min(width, width_of(text)), ' ') + text;
}

std::string amount_of_bytes(double bytes) {
    constexpr double thousand = 1000;
    if (bytes >= thousand * thousand * thousand) return significant(bytes / 1e9) + " GB";
    if (bytes >= thousand * thousand) return significant(bytes / 1e6) + " MB";
    if (bytes >= thousand) return significant(bytes / 1e3) + " kB";
    return grouped(std::llround(bytes)) + " B";
}

std::string seconds(double value) {
    return fmt::format("{:g} s", value);
}

std::string limits(const LoadOptions& options) {
    std::string text;
    if (options.connections > 0) text += ", " + grouped(options.connections) + " connections in total";
    if (options.requests > 0) text += ", " + grouped(options.requests) + " requests in total";
    if (options.duration.count() > 0)
        text += ", for " + seconds(std::chrono::duration<double>{options.duration}.count());
    return text;
}

std::string head(const LoadReport& report) {
    const LoadOptions& options = report.options;
    std::string text = report.url + " (" + options.server.text() + "): ";
    text += options.rate > 0 ? "open loop, " + significant(options.rate) + " requests a second " +
                                   (options.arrivals == Arrivals::even
                                        ? "evenly"
                                        : "at random (Poisson, seed " + std::to_string(options.seed) + ")")
                             : "closed loop";
    text += options.requests_per_connection == 1 ? ", a connection a request"
            : options.requests_per_connection == 0
                ? ", kept-alive connections"
                : ", " + grouped(options.requests_per_connection) + " requests a connection";
    return text + ", " + grouped(options.concurrency) + " at once" + limits(options) + ".";
}

std::string rate_line(const char* name, const std::string& amount, const std::string& per_second) {
    constexpr std::size_t name_width = 12;
    constexpr std::size_t number_width = 14;
    const std::string label{name};
    return label + std::string(name_width - label.size(), ' ') + padded(amount, number_width) +
           padded(per_second, number_width) + " per second\n";
}

std::string totals(const LoadReport& report) {
    const LoadResult& result = report.result;
    const auto line = [&](const char* name, long number) {
        return rate_line(name, grouped(number), whole(report.per_second(static_cast<double>(number))));
    };
    const auto bytes = static_cast<double>(result.bytes);
    return line("answered", result.requests) + line("connections", result.connections + result.reconnects) +
           rate_line("received", amount_of_bytes(bytes), amount_of_bytes(report.per_second(bytes)));
}

/// The name, cut or padded to the column's width.
std::string cut(std::string name, std::size_t width) {
    while (width_of(name) > width)
        name.pop_back();
    return name + std::string(width - width_of(name), ' ');
}

std::string latency_line(const std::string& name, const Latencies& latencies) {
    constexpr std::size_t name_width = 18;
    constexpr std::size_t count_width = 12;
    constexpr std::size_t number_width = 9;
    const LatencySummary summary = latencies.summary();
    const std::string count = grouped(static_cast<std::int64_t>(latencies.count()));
    std::string line =
        cut(name, name_width) +
        padded(fitting(count, static_cast<double>(latencies.count()), count_width), count_width);
    for (const double us : {summary.p50_us, summary.p90_us, summary.p99_us, summary.p999_us, summary.max_us})
        line += " " + padded(fitting(significant(us / 1000), us / 1000, number_width), number_width);
    return line + "\n";
}

std::string latency_table(const LoadResult& result) {
    constexpr std::size_t classes_most = 20;
    std::string text = "latency in ms         answers       p50       p90       p99     p99.9       max\n";
    text += latency_line("all", result.latencies);
    if (result.classes.size() == 1) return text;
    for (std::size_t i = 0; i < result.classes.size() && i < classes_most; ++i)
        text += latency_line("class " + result.classes[i].name, result.classes[i].latencies);
    if (result.classes.size() > classes_most)
        text += "(" + grouped(static_cast<std::int64_t>(result.classes.size() - classes_most)) +
                " more classes are in --json)\n";
    return text;
}

std::string errors(const LoadResult& result) {
    std::string text;
    for (std::size_t i = 0; i < result.errors.size(); ++i)
        if (result.errors[i] > 0)
            text += (text.empty() ? "" : ", ") + grouped(result.errors[i]) + " " +
                    name_of(static_cast<LoadError>(i));
    return "Errors: " + grouped(result.failed()) + " (" + text + ").";
}

std::string statuses(const LoadResult& result) {
    std::string text;
    for (const auto& [status, times] : result.statuses)
        if (status != 200)
            text += (text.empty() ? "" : ", ") + std::to_string(status) + " " + grouped(times) + " times";
    return text.empty() ? "" : "Statuses other than 200: " + text + ".";
}

std::string open_loop_remark(const LoadReport& report) {
    constexpr double late_us = 1000;
    const double lateness_us = report.result.lateness.summary().p99_us;
    std::string text = "Latency counts from when a request was due, its wait for a free connection included.";
    if (lateness_us > late_us && report.result.lateness.count() >= few)
        text += " The client itself did not keep the schedule: 1 % of the requests were sent " +
                significant(lateness_us / 1000) +
                " ms late or more although a connection was free. Repeat this at a lower rate, or on a "
                "quieter machine.";
    if (report.result.errors[static_cast<std::size_t>(LoadError::unsent)] > 0)
        text +=
            " The unsent requests found no free connection in time: the server does not reach this rate, "
            "or --concurrency is too low.";
    return text;
}

/// Of those that were not answered; the others' is in the table.
std::string longest_wait(const LoadResult& result) {
    const double waited_us = static_cast<double>(result.longest_wait_ns) / 1000;
    if (waited_us < result.latencies.summary().max_us + 1000) return "";
    return "The longest wait, in vain: " + significant(waited_us / 1000) + " ms.";
}

std::string bad_ends(const LoadResult& result) {
    return "Bad ends: the server left " + grouped(result.bad_ends) +
           " connections open after their last answer, reset them, or sent more.";
}

std::string idle_remark(const IdleCounts& idle) {
    return "Beside them " + grouped(idle.answered) + " of " + grouped(idle.asked) +
           " idle connections were open; at the end " + grouped(idle.undisturbed) + " still were.";
}

std::vector<std::string> remarks(const LoadReport& report) {
    const LoadResult& result = report.result;
    std::vector<std::string> all;
    if (result.failed() > 0) all.push_back(errors(result));
    if (std::string text = statuses(result); !text.empty()) all.push_back(std::move(text));
    if (result.bad_ends > 0) all.push_back(bad_ends(result));
    if (std::string text = longest_wait(result); !text.empty()) all.push_back(std::move(text));
    if (report.idle) all.push_back(idle_remark(*report.idle));
    if (report.options.rate > 0) all.push_back(open_loop_remark(report));
    const double share = report.client_share();
    std::string client = "The client used " + grouped(std::llround(share * 100)) + " % of one CPU";
    client += share > client_share_max
                  ? ": it was the bottleneck, as it has one thread; the server can do more than is shown."
                  : ".";
    all.push_back(std::move(client));
    if (result.latencies.count() > 0 && result.latencies.count() < few)
        all.push_back("With fewer than 1,000 answers p99.9 is the maximum, and p99 says little.");
    if (report.gave_up) all.push_back("Gave up: no answer was as it should be.");
    if (report.interrupted) all.push_back("Interrupted: this is what there was.");
    return all;
}

}  // namespace

double LoadReport::per_second(double number) const noexcept {
    return result.wall_s > 0 ? number / result.wall_s : 0;
}

double LoadReport::client_share() const noexcept {
    return per_second(result.client_cpu_s);
}

long LoadReport::unanswered() const noexcept {
    return result.errors[static_cast<std::size_t>(LoadError::unsent)] +
           result.errors[static_cast<std::size_t>(LoadError::timed_out)];
}

std::string render_load(const LoadReport& report, std::size_t width) {
    std::string text = wrap(head(report), width, 0) + "\n" + totals(report) + "\n";
    if (report.result.requests > 0) text += latency_table(report.result) + "\n";
    for (const std::string& remark : remarks(report))
        text += wrap(remark, width, 0);
    return text;
}

}  // namespace bullpen
