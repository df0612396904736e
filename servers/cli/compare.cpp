#include "servers/cli/compare.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <optional>
#include <stdexcept>

#include "servers/cli/bench.hpp"
#include "servers/cli/comparison.hpp"
#include "servers/cli/comparison_json.hpp"
#include "servers/cli/comparison_table.hpp"
#include "servers/cli/content.hpp"
#include "servers/cli/interruption.hpp"
#include "servers/cli/nearest.hpp"
#include "servers/cli/progress_line.hpp"
#include "servers/cli/result_file.hpp"
#include "servers/models/models.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

std::vector<Model> choose_models(const std::vector<std::string>& names) {
    std::vector<Model> chosen;
    for (const std::string& name : names)
        chosen.push_back(choose("model", name, models()));
    if (chosen.empty()) throw std::invalid_argument{"--models: name at least one model"};
    return chosen;
}

void check_range(const char* flag, long value, long least, long most) {
    if (value >= least && value <= most) return;
    throw std::invalid_argument{std::string{flag} + ": expected a number from " + std::to_string(least) +
                                " to " + std::to_string(most) + ", got " + std::to_string(value)};
}

void check(const CompareOptions& options) {
    constexpr long requests_max = 100'000'000;  // Four bytes of latency each.
    constexpr int workers_most = 10'000;
    constexpr int size_max = 1 << 30;
    constexpr int day_s = 86'400;
    check_range("--connections", options.connections, 0, requests_max);
    check_range("--concurrency", options.concurrency, 1, workers_most);
    check_range("--workers", options.workers, 1, workers_most);
    check_range("--requests", options.requests_per_connection, 1, 1'000'000);
    check_range("--size", options.message_size, 1, options.service == "echo" ? 64 * 1024 : size_max);
    check_range("--time-limit", options.time_limit, 1, day_s);
    if (options.keep_alive && options.connections > requests_max / options.requests_per_connection)
        throw std::invalid_argument{"--connections times --requests must not be above " +
                                    std::to_string(requests_max)};
    if (options.path.empty()) return;
    if (options.root.empty()) throw std::invalid_argument{"--path: it needs --root"};
    const bool plain =
        std::all_of(options.path.begin(), options.path.end(), [](char c) { return c > ' ' && c < 127; });
    if (options.path.front() != '/' || !plain)
        throw std::invalid_argument{"--path: expected '/' and no blanks (%20 is one), got '" + options.path +
                                    "'"};
}

ComparisonSetup setup_from(const CompareOptions& options) {
    constexpr long warm_up_max = 500;
    constexpr long warm_up_divisor = 20;
    ComparisonSetup setup{
        .service = options.service,
        .answer_bytes = static_cast<std::uint64_t>(options.message_size),
        .connections = options.connections,
        .concurrency = options.concurrency,
        .keep_alive = options.keep_alive,
        .requests_per_connection = options.keep_alive ? options.requests_per_connection : 1,
        .workers = options.workers,
    };
    if (setup.connections == 0) setup.connections = options.keep_alive ? 3'000 : 50'000;
    setup.warm_up_connections = std::clamp(setup.connections / warm_up_divisor, 1L, warm_up_max);
    return setup;
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

Dialogue dialogue_for(const ComparisonSetup& setup) {
    if (setup.service == "http") return http_dialogue("127.0.0.1", setup.path, setup.answer_bytes);
    if (setup.service == "echo") return echo_dialogue(setup.answer_bytes);
    throw std::invalid_argument{"--service: compare's client does not speak " + setup.service};
}

bool all_measured(const Comparison& comparison) {
    return std::all_of(comparison.measurements.begin(), comparison.measurements.end(),
                       [](const Measurement& measurement) { return measurement.failure.empty(); });
}

Comparison compare_models(const CompareOptions& options, const std::vector<Model>& chosen,
                          const Service& service) {
    const Interruption interruption;
    const bool serve_files = options.service == "http";
    const Content content =
        serve_files && options.root.empty() ? Content{options.message_size} : Content{options.root};
    const Handler handler = service.make({.root = content.root()});
    Comparison comparison{
        .setup = setup_from(options),
        .machine = describe_machine(),
        .began = utc_now(),
    };
    ComparisonSetup& setup = comparison.setup;
    if (serve_files) setup.path = options.path.empty() ? content.default_path() : options.path;
    if (serve_files && !options.root.empty()) setup.answer_bytes = ask_for_size(setup.path, handler);

    ProgressLine progress;
    const Bench bench{
        .setup = setup,
        .handler = handler,
        .dialogue = dialogue_for(setup),
        .time_limit = std::chrono::seconds{options.time_limit},
        .interruption = interruption,
        .progress = progress,
    };
    for (const Model& model : chosen) {
        Measurement measurement = interruption.came() ? Measurement{} : measure(model, bench);
        if (interruption.came())
            comparison.not_reached.emplace_back(model.name);
        else
            comparison.measurements.push_back(std::move(measurement));
    }
    return comparison;
}

}  // namespace

int run_compare(const CompareOptions& options) {
    check(options);
    const std::vector<Model> chosen = choose_models(options.models);
    const Service& service = choose("service", options.service, services());
    std::optional<ResultFile> json_file;
    if (!options.json_file.empty()) json_file.emplace(options.json_file);

    const Comparison comparison = compare_models(options, chosen, service);
    if (json_file) json_file->commit(to_json(comparison));
    std::fputs(render_table(comparison).c_str(), stdout);  // Last: a closed pipe (| head) may end us here.
    if (!comparison.not_reached.empty()) return exit_interrupted;
    return all_measured(comparison) ? 0 : 1;
}

}  // namespace bullpen
