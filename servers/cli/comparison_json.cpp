#include "servers/cli/comparison_json.hpp"

#include <boost/json/src.hpp>  // Boost.JSON's whole implementation: in this file only.

#include <algorithm>

namespace bullpen {
namespace {

namespace json = boost::json;

json::object to_object(const ComparisonSetup& setup) {
    json::object object{{"service", setup.service}};
    if (!setup.path.empty()) object["path"] = setup.path;
    object["answer_bytes"] = setup.answer_bytes;
    object["connections"] = setup.connections;
    object["warm_up_connections"] = setup.warm_up_connections;
    object["concurrency"] = setup.concurrency;
    object["keep_alive"] = setup.keep_alive;
    object["requests_per_connection"] = setup.requests_per_connection;
    object["workers"] = setup.workers;
    return object;
}

json::object to_object(const Machine& machine) {
    return {
        {"kernel", machine.kernel},
        {"processor", machine.processor},
        {"cpus", machine.cpus},
        {"memory_mib", machine.memory_mib},
    };
}

json::object to_object(const LatencySummary& latency) {
    return {
        {"mean", latency.mean_us}, {"p50", latency.p50_us},    {"p90", latency.p90_us},
        {"p99", latency.p99_us},   {"p99.9", latency.p999_us}, {"max", latency.max_us},
    };
}

json::object to_object(const LoadErrorCounts& errors) {
    json::object object;
    for (std::size_t i = 0; i < errors.size(); ++i) {
        std::string key = name_of(static_cast<LoadError>(i));
        std::replace(key.begin(), key.end(), ' ', '_');
        object[key] = errors[i];
    }
    return object;
}

json::object to_object(const Measurement& m, std::optional<double> iterative_cpu_us, int cpus) {
    json::object object{{"model", m.model}};
    if (!m.failure.empty()) object["failure"] = m.failure;
    const double cpu_us = m.cpu_us_per_request();
    object["connections"] = m.connections;
    object["requests"] = m.requests;
    object["warm_up_requests"] = m.warm_up_requests;
    object["reconnects"] = m.reconnects;
    object["cut_short"] = m.cut_short;
    object["failed"] = m.failed();
    object["errors"] = to_object(m.errors);
    object["wall_s"] = m.wall_s;
    object["requests_per_s"] = m.requests_per_s();
    object["latency_us"] = to_object(m.latency);
    object["server_cpu_s"] = m.server_cpu_s;
    object["start_stop_cpu_s"] = m.start_stop_cpu_s;
    object["cpu_us_per_request"] = cpu_us;
    object["cpu_us_above_iterative"] =
        iterative_cpu_us ? json::value(cpu_us - *iterative_cpu_us) : json::value{};
    object["client_cpu_s"] = m.client_cpu_s;
    object["client_share_of_one_cpu"] = m.client_share();
    object["client_was_bottleneck"] = m.client_share() > client_share_max;
    object["machine_busy"] = m.machine_busy;
    object["machine_busy_with_others"] = m.others_share(cpus);
    object["process_per_connection"] = m.process_per_connection;
    object["connections_by_slot"] = json::array(m.connections_by_slot.begin(), m.connections_by_slot.end());
    object["connections_lost"] = m.lost;
    object["connections_unaccounted"] = m.unaccounted;
    return object;
}

}  // namespace

std::string to_json(const Comparison& comparison) {
    json::array measurements;
    for (const Measurement& measurement : comparison.measurements)
        measurements.push_back(
            to_object(measurement, comparison.iterative_cpu_us(), comparison.machine.cpus));
    json::array not_reached;
    for (const std::string& model : comparison.not_reached)
        not_reached.push_back(json::value(model));
    const json::object object{
        {"began", comparison.began},
        {"machine", to_object(comparison.machine)},
        {"setup", to_object(comparison.setup)},
        {"measurements", std::move(measurements)},
        {"interrupted", !comparison.not_reached.empty()},
        {"not_reached", std::move(not_reached)},
    };
    return json::serialize(object) + "\n";
}

}  // namespace bullpen
