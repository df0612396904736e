#include "servers/cli/compare.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <optional>
#include <stdexcept>
#include <system_error>

#include <bullpen/version.hpp>
#include "core/enumerate.hpp"
#include "core/read_file.hpp"
#include "servers/bench/compare/bench.hpp"
#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/content.hpp"
#include "servers/bench/compare/full_buffer.hpp"
#include "servers/bench/compare/rounds.hpp"
#include "servers/bench/load/interruption.hpp"
#include "servers/bench/report/comparison_json.hpp"
#include "servers/bench/report/comparison_table.hpp"
#include "servers/bench/report/report.hpp"
#include "servers/bench/report/stevens.hpp"
#include "servers/bench/text/progress_line.hpp"
#include "servers/cli/output.hpp"
#include "servers/cli/result_file.hpp"
#include "servers/models/models.hpp"
#include "servers/services/service.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

std::vector<Design> choose_designs(const CompareOptions& options) {
    std::vector<std::string> names = options.models;
    if (names.empty() && options.stevens)
        for (const StevensRow& row : stevens_rows())
            names.push_back(row.model);
    std::vector<Design> chosen;
    for (const std::string& name : names)
        chosen.push_back(choose("model", name, designs()));
    for (const Design& design : designs())
        if (names.empty() && design.unasked) chosen.push_back(design);
    return chosen;
}

/// Those that serve datagrams, where nobody names any and that is asked of them.
bool takes_part(const Design& design, const Workload& workload, const CompareOptions& options) {
    return !options.models.empty() || !sends_datagrams(workload) || design.model.work_datagrams != nullptr;
}

/// The names of designs that serve datagrams, for a sentence.
std::string names_of_datagram_designs() {
    std::vector<std::string> names;
    for (const Design& design : designs())
        if (design.model.work_datagrams != nullptr) names.push_back(design.name);
    return enumerate(names);
}

std::vector<Workload> choose_workloads(const CompareOptions& options) {
    if (options.stevens) return {stevens_workload()};
    std::vector<std::string> names = options.workloads;
    if (names == std::vector<std::string>{"all"}) {
        names.clear();
        for (const NamedWorkload& workload : workloads())
            if (workload.in_all) names.emplace_back(workload.name);
    }
    std::vector<Workload> chosen;
    for (const std::string& name : names)
        for (Workload& workload : make_workloads(name, options.workload))
            chosen.push_back(std::move(workload));
    return chosen;
}

/// What the ranges of the flags don't say.
void check(const CompareOptions& options) {
    constexpr int echo_size_most = 64 * 1024;
    if (options.workload.service == "echo" && options.workload.size > echo_size_most)
        throw std::invalid_argument{"--size: with --service echo expected a number from 1 to " +
                                    std::to_string(echo_size_most) + ", got " +
                                    std::to_string(options.workload.size)};
    const auto is_named = [&](const char* workload) {
        return std::find(options.workloads.begin(), options.workloads.end(), workload) !=
               options.workloads.end();
    };
    const auto is_chosen = [&](const char* workload) { return is_named(workload) || is_named("all"); };
    constexpr auto size_least = static_cast<int>(question_header);
    constexpr int size_most = 65'507;  // Bytes that UDP over IPv4 has room for.
    const int size = options.workload.size;
    for (const char* workload : {"datagram", "transports"})
        if (is_named(workload) && (size < size_least || size > size_most))
            throw std::invalid_argument{std::string{"--size: with --workload "} + workload +
                                        " expected a number from " + std::to_string(size_least) + " to " +
                                        std::to_string(size_most) + ", got " + std::to_string(size)};
    if (!options.workload.send_file.empty() && !is_chosen("large"))
        throw std::invalid_argument{"--send-file: it needs --workload large"};
    if (options.workload.idle != WorkloadOptions{}.idle && !is_chosen("idle"))
        throw std::invalid_argument{"--idle: it needs --workload idle"};
    if (options.path.empty()) return;
    if (options.root.empty()) throw std::invalid_argument{"--path: it needs --root"};
    const bool plain =
        std::all_of(options.path.begin(), options.path.end(), [](char c) { return c > ' ' && c < 127; });
    if (options.path.front() != '/' || !plain)
        throw std::invalid_argument{"--path: expected '/' and no blanks (%20 is one), got '" + options.path +
                                    "'"};
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

bool all_measured(const Comparison& comparison) {
    for (const WorkloadResult& result : comparison.workloads)
        for (const Measurement& measurement : result.measurements)
            if (!measurement.failure.empty()) return false;
    return true;
}

Dialogue dialogue_for(const Workload& workload, const std::string& path) {
    if (workload.service == "echo") return echo_dialogue(workload.answer_bytes);
    const bool any_size = workload.answer_bytes == 0 || path == workload.rare_path;
    return http_dialogue("127.0.0.1", path, any_size ? std::nullopt : std::optional{workload.answer_bytes});
}

std::vector<RequestClass> requests_of(const Workload& workload) {
    if (workload.rare_share <= 0) return {{.name = "all", .dialogue = dialogue_for(workload, workload.path)}};
    constexpr unsigned of_a_thousand = 1000;
    const auto rare = static_cast<unsigned>(std::lround(workload.rare_share * of_a_thousand));
    return {
        {.name = "fast", .dialogue = dialogue_for(workload, workload.path), .weight = of_a_thousand - rare},
        {.name = "slow", .dialogue = dialogue_for(workload, workload.rare_path), .weight = rare},
    };
}

void ask_the_users_files(const CompareOptions& options, const Content& content, Workload& workload) {
    workload.path = options.path.empty() ? content.default_path() : options.path;
    if (options.root.empty()) return;
    const Service& http = choose("service", "http", services());
    workload.answer_bytes = ask_for_size(workload.path, http.make({.root = content.root()}));
}

bool are_transports(const CompareOptions& options) {
    return !options.stevens && options.workloads == std::vector<std::string>{"transports"};
}

/// Of transports one for each client, because a kept connection keeps a worker.
int workers_of(const CompareOptions& options) {
    if (are_transports(options)) return options.workload.concurrency;
    return options.stevens ? stevens_workers : options.workers;
}

/// The same service under the same model, over each transport.
Event plan_transports(const CompareOptions& options) {
    CompareOptions one = options;
    if (one.models.empty()) one.models = {std::string{prefork.name}};
    const Design design = choose_designs(one).front();
    Event event;
    event.workload = make_workload("transports", options.workload);
    event.workload.model = design.name;
    const Service& service = choose("service", event.workload.service, services());
    for (const Transport& transport : transports()) {
        auto made = make_contender(design, service, {}, workers_of(options), options.threads,
                                   workload_over(transport, event.workload));
        if (std::holds_alternative<LeftOut>(made))
            throw std::invalid_argument{"--models: expected one that serves connections and datagrams (" +
                                        names_of_datagram_designs() + "), got " + design.name};
        event.contenders.push_back(std::move(std::get<Contender>(made)));
        event.contenders.back().name = transport.name;
    }
    event.requests = requests_of(event.workload);
    return event;
}

/// Everything that can be wrong is found here, before the first run.
std::vector<Event> plan(const CompareOptions& options, const Content& content) {
    if (are_transports(options)) return {plan_transports(options)};
    const std::vector<Design> chosen = choose_designs(options);
    std::vector<Event> events;
    for (Workload& workload : choose_workloads(options)) {
        Event event;
        const Service& service = choose("service", workload.service, services());
        if (service.name == "http") ask_the_users_files(options, content, workload);
        for (const Design& design : chosen) {
            if (!takes_part(design, workload, options)) continue;
            auto made = make_contender(design, service, {.root = content.root()}, workers_of(options),
                                       options.threads, workload);
            if (auto* contender = std::get_if<Contender>(&made))
                event.contenders.push_back(std::move(*contender));
            else
                event.left_out.push_back(std::get<LeftOut>(made));
        }
        if (event.contenders.empty() && sends_datagrams(workload))
            throw std::invalid_argument{"--models: expected one that serves datagrams (" +
                                        names_of_datagram_designs() + "), got " + enumerate(options.models)};
        if (!sends_datagrams(workload)) event.requests = requests_of(workload);
        event.workload = std::move(workload);
        events.push_back(std::move(event));
    }
    return events;
}

Comparison measure_all(const CompareOptions& options) {
    const Interruption interruption;
    const Content content = options.root.empty() ? Content{options.workload.size} : Content{options.root};
    const std::vector<Event> events = plan(options, content);
    std::vector<FullBuffer> full_buffers;
    if (are_transports(options)) full_buffers = try_full_buffers();
    Comparison comparison{
        .began = utc_now(),
        .version = BULLPEN_VERSION,
        .command = options.command,
        .machine = describe_machine(),
        .workers = workers_of(options),
        .repeat = options.repeat,
    };
    ProgressLine progress;
    progress.announce("This takes at most " + time_text(longest_s(events, options.repeat)) +
                      ". Ctrl-C ends it and shows what is finished.");
    Bench bench{interruption, progress};
    comparison.workloads = run_all(events, options.repeat, bench);
    if (are_transports(options)) comparison.workloads.front().full_buffers = std::move(full_buffers);
    comparison.interrupted = interruption.came();
    return comparison;
}

Comparison stored(const std::string& path) {
    std::error_code error;
    const std::string text = read_file(path, error);
    if (error) throw std::invalid_argument{"--from: cannot read " + path + ": " + reason_of(error)};
    return comparison_from_json(text, path);
}

/// Named and checked before the work whose result it takes.
std::optional<ResultFile> result_file(const std::string& path) {
    return path.empty() ? std::nullopt : std::make_optional<ResultFile>(path);
}

}  // namespace

int run_compare(const CompareOptions& options) {
    check(options);
    const std::string& service = options.workload.service;
    if (choose("service", service, services(), "--service").make == nullptr)
        throw std::invalid_argument{"--service: compare's client does not speak " + service};
    std::optional<ResultFile> json_file = result_file(options.json_file);
    std::optional<ResultFile> report_file = result_file(options.report_file);

    const Comparison comparison =
        options.from_file.empty() ? measure_all(options) : stored(options.from_file);
    if (json_file) json_file->commit(to_json(comparison));
    if (report_file) report_file->commit(render_report(comparison));
    const std::string text = is_stevens(comparison) ? render_stevens(comparison) : render_table(comparison);
    print(text);  // Last, because it may fail (| head).
    if (!options.from_file.empty()) return 0;
    if (comparison.interrupted) return exit_interrupted;
    return all_measured(comparison) ? 0 : 1;
}

}  // namespace bullpen
