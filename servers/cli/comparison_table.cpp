#include "servers/cli/comparison_table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string_view>
#include <vector>

namespace bullpen {
namespace {

using Cells = std::vector<std::string>;

/// Columns on the screen: bytes of UTF-8 that begin a character.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

std::string percent(double share) {
    return fixed(share * 100, 0) + " %";
}

/// "a", "a and b", "a, b and c"
std::string enumerate(const std::vector<std::string>& parts) {
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
        text += parts[i];
    }
    return text;
}

bool complete(const Measurement& measurement) {
    return measurement.failure.empty();
}

std::string head(const Comparison& comparison) {
    const ComparisonSetup& setup = comparison.setup;
    const Machine& machine = comparison.machine;
    std::string text = setup.service + ", " +
                       (setup.service == "http" ? setup.path + " of " : std::string{"messages of "}) +
                       grouped(setup.answer_bytes) + " bytes, ";
    text += setup.keep_alive ? "keep-alive: each connection makes " + grouped(setup.requests_per_connection) +
                                   " requests in a row, then closes; "
                             : "one request per connection; ";
    text += grouped(setup.connections) + " connections to each model after " +
            grouped(setup.warm_up_connections) + " to warm up, " + grouped(setup.concurrency) +
            " at a time; pools of " + grouped(setup.workers) + " workers. " + machine.kernel + ", " +
            grouped(machine.cpus) + (machine.cpus == 1 ? " CPU" : " CPUs");
    if (!machine.processor.empty()) text += " (" + machine.processor + ")";
    return text + ".";
}

Cells cells_of(const Measurement& m, std::optional<double> iterative_cpu_us) {
    const double cpu_us = m.cpu_us_per_request();
    return {
        m.model,
        grouped(std::llround(m.requests_per_s())),
        significant(m.latency.p50_us / 1000),
        significant(m.latency.p99_us / 1000),
        significant(m.latency.p999_us / 1000),
        grouped(m.failed()),
        fixed(cpu_us, 1),
        iterative_cpu_us ? fixed(cpu_us - *iterative_cpu_us, 1) : "-",
    };
}

std::string line_of(const Cells& cells, const std::vector<std::size_t>& widths) {
    std::string line = cells[0] + std::string(widths[0] - width_of(cells[0]), ' ');
    for (std::size_t i = 1; i < cells.size(); ++i)
        line += "  " + std::string(widths[i] - width_of(cells[i]), ' ') + cells[i];
    return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string table(const Comparison& comparison, std::size_t width) {
    const bool keep_alive = comparison.setup.keep_alive;
    std::vector<Cells> lines = {
        {"", keep_alive ? "requests" : "connections", "latency", "in ms", "", "", "CPU µs per", "above"},
        {"model", "per second", "p50", "p99", "p99.9", "errors", keep_alive ? "request" : "connection",
         "iterative"},
    };
    for (const Measurement& m : comparison.measurements)
        if (complete(m)) lines.push_back(cells_of(m, comparison.iterative_cpu_us()));
    std::vector<std::size_t> widths(lines[0].size());
    for (const Measurement& m : comparison.measurements)
        widths[0] = std::max(widths[0], width_of(m.model));
    for (const Cells& cells : lines)
        for (std::size_t i = 0; i < cells.size(); ++i)
            widths[i] = std::max(widths[i], width_of(cells[i]));

    std::string text = line_of(lines[0], widths) + line_of(lines[1], widths);
    std::size_t next = 2;
    for (const Measurement& m : comparison.measurements) {
        text += complete(m) ? line_of(lines[next++], widths)
                            : wrap(m.model + std::string(widths[0] + 2 - width_of(m.model), ' ') +
                                       "not measured: " + m.failure,
                                   width, widths[0] + 2);
    }
    return text;
}

std::string shares(const Measurement& m) {
    std::uint64_t all = 0;
    for (const std::uint64_t count : m.connections_by_slot)
        all += count;
    if (m.process_per_connection) return "each of " + grouped(all) + " had a process of its own";
    if (m.connections_by_slot.size() == 1) return grouped(all) + ", all by its one worker";
    const auto [least, most] =
        std::minmax_element(m.connections_by_slot.begin(), m.connections_by_slot.end());
    std::string text = grouped(*least) + " to " + grouped(*most) + " each:";
    for (const std::uint64_t count : m.connections_by_slot)
        text += " " + grouped(count);
    return text;
}

std::string distribution(const Comparison& comparison, std::size_t width) {
    std::size_t name_width = 0;
    for (const Measurement& m : comparison.measurements)
        name_width = std::max(name_width, width_of(m.model));
    std::string text;
    for (const Measurement& m : comparison.measurements) {
        if (!complete(m) || m.connections_by_slot.empty()) continue;
        const std::string name = m.model + std::string(name_width + 2 - width_of(m.model), ' ');
        text += wrap(name + shares(m), width, name_width + 2);
    }
    if (text.empty()) return text;
    return "\nConnections of each worker, warm-up included (compare UNP figure 30.2):\n" + text;
}

/// Whether the numbers are the servers' or the client's own.
std::string judge_client(const Comparison& comparison) {
    std::vector<std::string> within;
    std::vector<std::string> limiting;
    double busiest = 0;
    double others = 0;
    for (const Measurement& m : comparison.measurements) {
        if (!complete(m)) continue;
        (m.client_share() > client_share_max ? limiting : within)
            .push_back(percent(m.client_share()) + " (" + m.model + ")");
        busiest = std::max(busiest, m.machine_busy);
        others = std::max(others, m.others_share(comparison.machine.cpus));
    }
    std::string text;
    if (!limiting.empty())
        text += "The client was the bottleneck: it used " + enumerate(limiting) +
                " of one CPU, and it has one thread; these models can do more than is shown. ";
    if (!within.empty())
        text += "The client used " + enumerate(within) +
                " of one CPU: " + (limiting.empty() ? "it was not the bottleneck. " : "there it was not. ");
    constexpr double all_busy = 0.9;
    if (busiest > all_busy)
        text += "The machine was up to " + percent(busiest) + " busy, and client and servers shared its " +
                (comparison.machine.cpus == 1 ? "CPU" : grouped(comparison.machine.cpus) + " CPUs") +
                ": a client elsewhere would see more per second. CPU per " +
                (comparison.setup.keep_alive ? "request" : "connection") + " depends little on that. ";
    constexpr double much = 0.15;
    if (others > much)
        text += "Other programs used up to " + percent(others) +
                " of the machine meanwhile: repeat this when it is quiet. ";
    return text;
}

std::string errors_by_kind(const Measurement& m) {
    std::vector<std::string> kinds;
    for (std::size_t i = 0; i < m.errors.size(); ++i)
        if (m.errors[i] > 0) kinds.push_back(grouped(m.errors[i]) + " " + name_of(static_cast<LoadError>(i)));
    return enumerate(kinds);
}

std::vector<std::string> remarks(const Comparison& comparison) {
    std::vector<std::string> all;
    for (const Measurement& m : comparison.measurements) {
        if (m.failed() > 0)
            all.push_back(m.model + ": " + grouped(m.failed()) + " of " + grouped(m.connections) +
                          " connections failed: " + errors_by_kind(m) + ".");
        if (m.cut_short)
            all.push_back(m.model + " was stopped by the time limit after " + grouped(m.connections) +
                          " connections.");
        if (m.reconnects > 0)
            all.push_back(m.model + " closed " + grouped(m.reconnects) +
                          " connections between two requests; the client went on with a new one.");
        if (m.lost > 0)
            all.push_back(m.model + " lost " + grouped(m.lost) + " connections with workers that died.");
        if (m.unaccounted != 0)
            all.push_back(m.model + ": " + std::to_string(m.unaccounted) +
                          " connections are missing in its scoreboard, which is a bug in Bullpen.");
    }
    if (comparison.setup.keep_alive)
        all.push_back(
            "A connection's first request waits until a worker is free for the connection, as long as others "
            "keep "
            "theirs: the latencies contain that.");
    all.push_back(
        "CPU is user and system time of the master and all its workers, without what starting and stopping "
        "them "
        "costs; above iterative it is Stevens' process control CPU time (UNP figure 30.1).");
    if (std::string client = judge_client(comparison); !client.empty()) all.push_back(std::move(client));
    if (!comparison.not_reached.empty())
        all.push_back("Interrupted: " + enumerate(comparison.not_reached) + " not measured.");
    return all;
}

}  // namespace

std::string render_table(const Comparison& comparison, std::size_t width) {
    std::string text = wrap(head(comparison), width, 0) + "\n";
    if (!comparison.measurements.empty())
        text += table(comparison, width) + distribution(comparison, width) + "\n";
    for (const std::string& remark : remarks(comparison))
        text += wrap(remark, width, 0);
    return text;
}

/// Spaces at the beginning, and several between two words, are kept: they align.
std::string wrap(const std::string& text, std::size_t width, std::size_t indent) {
    std::string wrapped;
    std::string line;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t word = std::min(text.find_first_not_of(' ', at), text.size());
        const std::size_t end = std::min(text.find(' ', word), text.size());
        const std::string piece = text.substr(at, end - at);
        if (word == end) break;
        if (width_of(line) + width_of(piece) > width && !line.empty()) {
            wrapped += line + "\n";
            line = std::string(indent, ' ') + text.substr(word, end - word);
        } else {
            line += piece;
        }
        at = end;
    }
    return wrapped + line + "\n";
}

std::string grouped(std::int64_t number) {
    std::string digits = std::to_string(number);
    const std::size_t first = number < 0 ? 1 : 0;
    for (std::size_t i = digits.size(); i > first + 3; i -= 3)
        digits.insert(i - 3, 1, ',');
    return digits;
}

std::string significant(double value) {
    if (value >= 99.95) return grouped(std::llround(value));
    if (value >= 9.995) return fixed(value, 1);
    if (value >= 0.9995) return fixed(value, 2);
    return fixed(value, 3);
}

}  // namespace bullpen
