#include "servers/bench/report/comparison_json.hpp"

#include <utility>

#include <boost/json.hpp>

#include "servers/bench/compare/contest.hpp"
#include "servers/bench/compare/fairness.hpp"
#include "servers/bench/compare/verdict.hpp"
#include "servers/bench/report/described_json.hpp"

namespace bullpen {

namespace json = boost::json;

BOOST_DESCRIBE_STRUCT(Spread, (), (median, min, max))
BOOST_DESCRIBE_STRUCT(Rank, (), (first, last))
BOOST_DESCRIBE_STRUCT(ErrorCount, (), (name, count))
BOOST_DESCRIBE_STRUCT(LatencyPoint, (), (quantile, us))
BOOST_DESCRIBE_STRUCT(LatencySummary, (), (mean_us, p50_us, p90_us, p99_us, p999_us, max_us))
BOOST_DESCRIBE_STRUCT(RequestLatency, (), (name, requests, summary, distribution))
BOOST_DESCRIBE_STRUCT(Usage, (), (user_s, system_s, voluntary_switches, involuntary_switches))
BOOST_DESCRIBE_STRUCT(MemoryUse, (), (master_kb, workers_kb, workers))
BOOST_DESCRIBE_STRUCT(DatagramCounts, (), (sent, retransmissions, answers, dropped))
BOOST_DESCRIBE_STRUCT(Run, (),
                      (connections, requests, reconnects, other_requests, cut_short, errors, latency, wall_s,
                       client_cpu_s, machine_busy, server, start_stop, memory, connections_by_slot, lost,
                       unaccounted, datagrams))
BOOST_DESCRIBE_STRUCT(Measurement, (), (model, failure, worker_per_client, runs))
BOOST_DESCRIBE_STRUCT(LeftOut, (), (model, reason))
BOOST_DESCRIBE_STRUCT(Workload, (),
                      (name, service, path, answer_bytes, concurrency, requests_per_connection, rate,
                       connections, duration_s, rare_path, rare_share, send_over_ms, idle, transport, model))
BOOST_DESCRIBE_STRUCT(FullBuffer, (), (transport, first_read, sent, would_block, waits, received, dropped))
BOOST_DESCRIBE_STRUCT(WorkloadResult, (), (workload, measurements, left_out, full_buffers))
BOOST_DESCRIBE_STRUCT(Machine, (), (kernel, processor, cpus, memory_mib))
BOOST_DESCRIBE_STRUCT(Comparison, (),
                      (began, version, command, machine, workers, repeat, interrupted, workloads))

namespace {

json::object ranks_of(const Contest& contest, std::size_t place) {
    return {
        {"requests_per_s", to_described(contest.throughput.ranks[place])},
        {"p99_us", to_described(contest.tail.ranks[place])},
        {"cpu_us", to_described(contest.cpu.ranks[place])},
        {"tree_kb", to_described(contest.memory.ranks[place])},
    };
}

json::object summary(const Measurement& m, std::optional<double> iterative_cpu_us) {
    std::int64_t failed = 0;
    for (const Run& run : m.runs)
        failed += run.failed();
    const Spread cpu_us = m.over(&Run::cpu_us);
    return {
        {"requests_per_s", to_described(m.over(&Run::requests_per_s))},
        {"connections_per_s", to_described(m.over(&Run::connections_per_s))},
        {"p50_us", to_described(m.latency(&LatencySummary::p50_us))},
        {"p90_us", to_described(m.latency(&LatencySummary::p90_us))},
        {"p99_us", to_described(m.latency(&LatencySummary::p99_us))},
        {"p999_us", to_described(m.latency(&LatencySummary::p999_us))},
        {"max_us", to_described(m.latency(&LatencySummary::max_us))},
        {"cpu_us", to_described(cpu_us)},
        {"cpu_user_us", to_described(m.over(&Run::user_us))},
        {"cpu_system_us", to_described(m.over(&Run::system_us))},
        {"cpu_us_above_iterative",
         iterative_cpu_us ? json::value(cpu_us.median - *iterative_cpu_us) : json::value{}},
        {"voluntary_switches", to_described(m.over(&Run::voluntary_switches))},
        {"involuntary_switches", to_described(m.over(&Run::involuntary_switches))},
        {"tree_kb", to_described(m.over(&Run::tree_kb))},
        {"worker_kb", to_described(m.over(&Run::worker_kb))},
        {"jain_index",
         m.worker_per_client ? json::value{} : json::value(jain_index(m.connections_by_slot()))},
        {"failed", failed},
        {"loss", to_described(m.over(&Run::loss))},
    };
}

void add_derived(const WorkloadResult& result, const Machine& machine, json::object& object) {
    const Contest contest = judge(result, machine);
    json::array& measurements = object["measurements"].as_array();
    for (std::size_t i = 0, place = 0; i < result.measurements.size(); ++i) {
        const Measurement& measurement = result.measurements[i];
        if (!measurement.measured()) continue;
        json::object numbers = summary(measurement, result.iterative_cpu_us());
        numbers["rank"] = ranks_of(contest, place++);
        measurements[i].as_object()["summary"] = std::move(numbers);
    }
    json::array sentences;
    for (const std::string& sentence : verdict_on(result, machine))
        sentences.push_back(json::value(sentence));
    object["verdict"] = std::move(sentences);
}

/// Calls act for each object in the list that `parent` has at this key.
template <typename Act>
void for_each_object(json::object& parent, const char* key, Act act) {
    json::value* const list = parent.if_contains(key);
    if (list == nullptr || !list->is_array()) return;
    for (json::value& element : list->get_array())
        if (element.is_object()) act(element.get_object());
}

/// Version 0.1.0 had no idle connections and no datagrams.
void add_what_was_added(json::object& object) {
    for_each_object(object, "workloads", [](json::object& result) {
        json::value* const workload = result.if_contains("workload");
        if (workload != nullptr && workload->is_object()) {
            workload->get_object().emplace("idle", 0);
            workload->get_object().emplace("transport", "tcp");
            workload->get_object().emplace("model", "");
        }
        result.emplace("full_buffers", json::array{});
        for_each_object(result, "measurements", [](json::object& measurement) {
            for_each_object(measurement, "runs", [](json::object& run) {
                run.emplace("datagrams", to_described(DatagramCounts{}));
            });
        });
    });
}

}  // namespace

std::string to_json(const Comparison& comparison) {
    json::object object{{"schema", comparison_schema}};
    const json::value described = to_described(comparison);
    for (const auto& [key, value] : described.get_object())
        object[key] = value;
    json::array& workloads = object["workloads"].as_array();
    for (std::size_t i = 0; i < comparison.workloads.size(); ++i)
        add_derived(comparison.workloads[i], comparison.machine, workloads[i].as_object());
    return json::serialize(object) + "\n";
}

Comparison comparison_from_json(std::string_view text, const std::string& name) {
    const std::string expected = ", expected what bullpen compare --json writes";
    json::error_code error;
    json::value document = json::parse(json::string_view{text.data(), text.size()}, error);
    if (error) throw std::invalid_argument{name + ": it is not JSON (" + error.message() + ")" + expected};
    json::object* const object = document.if_object();
    const json::value* schema = object == nullptr ? nullptr : object->if_contains("schema");
    if (schema == nullptr) throw std::invalid_argument{name + ": it has no schema" + expected};
    if (*schema != comparison_schema)
        throw std::invalid_argument{name + ": its schema is " + json::serialize(*schema) + ", expected " +
                                    std::to_string(comparison_schema)};
    add_what_was_added(*object);
    Comparison comparison;
    try {
        read_described(document, comparison, "");
    } catch (const std::invalid_argument& wrong) {
        throw std::invalid_argument{name + ": " + wrong.what() + expected};
    }
    return comparison;
}

}  // namespace bullpen
