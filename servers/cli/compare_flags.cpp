#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/utf8.hpp"
#include "servers/bench/compare/design.hpp"
#include "servers/cli/compare.hpp"
#include "servers/cli/flag_checks.hpp"

namespace bullpen {
namespace {

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::istringstream stream{list};
    for (std::string part; std::getline(stream, part, ',');)
        parts.push_back(part);
    return parts;
}

/// What a shell takes as one word.
std::string quoted(const std::string& word) {
    constexpr const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=%+@";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
    std::string text = "'";
    for (const char c : word)
        text += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return text + "'";
}

/// Refuses each given flag that has no effect beside `mode`.
void refuse_beside(const CLI::App& compare, const std::string& mode, const std::vector<std::string>& fitting,
                   const std::string& reason) {
    for (const CLI::Option* option : compare.get_options()) {
        const std::string name = option->get_name();
        const bool fits = std::find(fitting.begin(), fitting.end(), name) != fitting.end();
        if (option->count() > 0 && !fits)
            throw std::invalid_argument{name + ": it does not go with " + mode + ", which " + reason};
    }
}

void check_beside(const CLI::App& compare, const std::string& mode, std::vector<std::string> fitting,
                  const std::string& reason) {
    if (compare.count(mode) == 0) return;
    fitting.push_back(mode);
    refuse_beside(compare, mode, fitting, reason);
}

bool any_threaded(const std::vector<std::string>& models) {
    return std::any_of(designs().begin(), designs().end(), [&](const Design& design) {
        return design.threaded && std::find(models.begin(), models.end(), design.name) != models.end();
    });
}

void check_transports(const CLI::App& compare, const CompareOptions& options) {
    if (options.workloads.size() > 1)
        throw std::invalid_argument{
            "--workload: transports goes with no other workload, because it compares no models"};
    if (options.models.size() > 1)
        throw std::invalid_argument{
            "--models: all transports of --workload transports are served by one model; got " +
            std::to_string(options.models.size())};
    std::vector<std::string> fitting = {"--workload", "--models", "--duration", "--repeat", "--concurrency",
                                        "--requests", "--size",   "--json",     "--report"};
    if (any_threaded(options.models)) fitting.emplace_back("--threads");
    refuse_beside(compare, "--workload transports", fitting,
                  "measures an echo with as many workers as clients");
}

void check_mode(const CLI::App& compare, const CompareOptions& options) {
    check_beside(compare, "--from", {"--json", "--report"}, "measures nothing");
    std::vector<std::string> fitting = {"--models", "--repeat", "--json", "--report"};
    if (any_threaded(options.models)) fitting.emplace_back("--threads");
    check_beside(compare, "--stevens", fitting, "has a load and pools of its own");
    if (options.stevens || !options.from_file.empty()) return;
    const auto is_named = [&](const char* workload) {
        return std::find(options.workloads.begin(), options.workloads.end(), workload) !=
               options.workloads.end();
    };
    if (is_named("transports")) check_transports(compare, options);
    if (!is_named("datagram")) return;
    if (options.models.empty()) fitting.emplace_back("--threads");
    for (const char* more : {"--workload", "--duration", "--concurrency", "--workers", "--connections",
                             "--time-limit", "--size"})
        fitting.emplace_back(more);
    const char* const reason = "asks by datagrams, each client for the next once it has its answer";
    if (options.workloads.size() == 1) refuse_beside(compare, "--workload datagram", fitting, reason);
    if (options.workload.rate > 0)
        throw std::invalid_argument{std::string{"--rate: it does not go with --workload datagram, which "} +
                                    reason};
}

/// The command that repeats the measurement, without the files it wrote.
std::string command_of(const CLI::App& compare) {
    std::string command = "bullpen compare";
    for (const CLI::Option* option : compare.get_options()) {
        const std::string name = option->get_name();
        if (option->count() == 0 || name == "--json" || name == "--report" || name == "--help") continue;
        command += " " + name;
        if (option->get_expected_max() == 0) continue;
        for (const std::string& value : option->results())
            command += " " + quoted(value);
    }
    return command;
}

void declare_files(CLI::App& compare, CompareOptions& options) {
    compare.add_option("--json", options.json_file, "write all numbers to this file")->type_name("FILE");
    compare.add_option("--report", options.report_file, "write a page with plots to this file")
        ->type_name("FILE");
    compare.add_option("--from", options.from_file, "measure nothing: show what --json wrote")
        ->type_name("FILE");
}

}  // namespace

void declare_compare(CLI::App& program, CompareOptions& options, std::function<int()>& chosen) {
    CLI::App& compare = *program.add_subcommand("compare", "Measure several models under the same load");
    WorkloadOptions& load = options.workload;
    constexpr double day_s = 86'400;
    constexpr int workers_most = 10'000;
    constexpr int minute_us = 60'000'000;
    constexpr std::int64_t connections_most = 100'000'000;
    const auto list = [&](const char* flag, std::vector<std::string>& names, const char* help) {
        compare
            .add_option_function<std::string>(
                flag, [&names](const std::string& text) { names = split(text); }, help)
            ->type_name("A,B");
    };
    const auto number = [&](const char* flag, auto& value, const char* help, const char* type = "N") {
        return compare.add_option(flag, value, help)->type_name(type);
    };
    list("--models", options.models, "what to compare, in this order (default: all)");
    list("--workload", options.workloads, "what the clients do (default: short), or all");
    number("--duration", load.duration_s, "seconds of load a run (default: 2)", "S")
        ->transform(number_from(0.1, day_s, "seconds"));
    number("--repeat", options.repeat, "runs of each, in turn (default: 3)")
        ->transform(number_from(1, 1'000));
    number("--concurrency", load.concurrency, "clients at a time (default: 16)")
        ->transform(number_from(1, workers_most));
    number("--workers", options.workers, "workers of a pool (default: 8)")
        ->transform(number_from(1, workers_most));
    number("--threads", options.threads, "prefork-threads: of each process (default: 4)")
        ->transform(number_from(1, workers_most));
    number("--rate", load.rate, "open loop: so many requests a second are due", "R")
        ->transform(number_from(0.0, 1e6));
    number("--connections", load.connections, "a run is so many, and not --duration long")
        ->transform(number_from(std::int64_t{0}, connections_most));
    number("--time-limit", load.time_limit_s, "seconds a run, with --connections (default: 60)", "S")
        ->transform(number_from(1, 86'400, "seconds"));
    number("--service", load.service, "of short and keep-alive: http (default) or echo", "SERVICE");
    number("--requests", load.requests_per_connection, "keep-alive: on a connection (default: 100)")
        ->transform(number_from(1, 1'000'000));
    number("--size", load.size, "bytes of the small file or message (default: 128)")
        ->transform(number_from(1, 1 << 30));
    number("--cpu-us", load.cpu_us, "cpu: microseconds a request computes (default: 200)")
        ->transform(number_from(1, minute_us));
    number("--sleep-ms", load.sleep_ms, "io: milliseconds a request waits (default: 5)")
        ->transform(number_from(1, minute_us / 1000));
    compare.add_option("--idle", load.idle, "idle: so many silent connections (10,100,1000)")
        ->type_name("N,N")
        ->delimiter(',')
        ->check(number_from(1, workers_most));
    number("--send-file", load.send_file, "large: from a file, by sendfile or copy (read, write)", "HOW")
        ->check(one_of({"sendfile", "copy"}));
    number("--root", options.root, "http: the files to serve (default: one small file)", "DIR");
    number("--path", options.path, "http: what to ask for below DIR (default: /)", "PATH");
    compare.add_flag("--stevens", options.stevens, "rerun the test of UNP chapter 30 instead");
    declare_files(compare, options);
    compare.footer(
        "Workloads over TCP, which \"all\" stands for: short, keep-alive, skewed, cpu, io,\n"
        "large, slow, idle. Over UDP: datagram, for the models that serve datagrams.\n"
        "transports: the same echo over TCP, UDP, UNIX streams and UNIX datagrams side by\n"
        "side, under one model (--models, default: prefork), and full receive buffers.\n"

        "Runs are made in turn (A B C A B C); shown are medians, and how far the runs lie\n"
        "apart. Where that overlaps, models are not told apart and share a rank.");
    compare.callback([&] {
        options.command = to_utf8(command_of(compare));
        chosen = [&] {
            check_mode(compare, options);
            return run_compare(options);
        };
    });
}

}  // namespace bullpen
