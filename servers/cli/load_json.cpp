#include <algorithm>
#include <boost/json.hpp>

#include "core/utf8.hpp"
#include "servers/cli/load_report.hpp"

namespace bullpen {
namespace {

namespace json = boost::json;

json::object to_object(const Latencies& latencies) {
    const LatencySummary summary = latencies.summary();
    return {
        {"p50", summary.p50_us},   {"p90", summary.p90_us}, {"p99", summary.p99_us},
        {"p999", summary.p999_us}, {"max", summary.max_us}, {"mean", summary.mean_us},
    };
}

json::object to_object(const IdleCounts& idle) {
    return {{"asked", idle.asked}, {"answered", idle.answered}, {"undisturbed", idle.undisturbed}};
}

json::object classes_of(const LoadResult& result) {
    json::object classes;
    for (const ClassResult& one : result.classes)
        classes[one.name] =
            json::object{{"requests", one.requests}, {"latency_us", to_object(one.latencies)}};
    return classes;
}

json::object errors_of(const LoadResult& result) {
    json::object errors;
    for (std::size_t i = 0; i < result.errors.size(); ++i) {
        std::string key = name_of(static_cast<LoadError>(i));
        std::replace(key.begin(), key.end(), ' ', '_');
        errors[key] = result.errors[i];
    }
    return errors;
}

json::object statuses_of(const LoadResult& result) {
    json::object statuses;
    for (const auto& [status, times] : result.statuses)
        statuses[std::to_string(status)] = times;
    return statuses;
}

json::array distribution_of(const LoadResult& result) {
    json::array points;
    for (const LatencyPoint& point : result.latencies.distribution())
        points.push_back(json::array{point.quantile, point.us});
    return points;
}

}  // namespace

std::string load_to_json(const LoadReport& report) {
    const LoadResult& result = report.result;
    const bool is_random = report.options.rate > 0 && report.options.arrivals == Arrivals::poisson;
    const long connections = result.connections + result.reconnects;
    const json::object object{
        {"url", to_utf8(report.url)},
        {"concurrency", report.options.concurrency},
        {"rate", report.options.rate > 0 ? json::value(report.options.rate) : json::value{}},
        {"requests", result.requests},
        {"connections", connections},
        {"duration_s", result.wall_s},
        {"requests_per_s", report.per_second(static_cast<double>(result.requests))},
        {"connections_per_s", report.per_second(static_cast<double>(connections))},
        {"bytes", result.bytes},
        {"latency_us", to_object(result.latencies)},
        {"latency_distribution", distribution_of(result)},
        {"classes", classes_of(result)},
        {"failed", result.failed()},
        {"errors", errors_of(result)},
        {"statuses", statuses_of(result)},
        {"reconnects", result.reconnects},
        {"unanswered", report.unanswered()},
        {"longest_wait_us", static_cast<double>(result.longest_wait_ns) / 1000},
        {"idle", report.idle ? json::value(to_object(*report.idle)) : json::value{}},
        {"client_cpu_s", result.client_cpu_s},
        {"client_late_p99_us", result.lateness.summary().p99_us},
        {"interrupted", report.interrupted},
        {"gave_up", report.gave_up},
        {"seed", is_random ? json::value(report.options.seed) : json::value{}},
        {"bad_ends", result.bad_ends},
    };
    return json::serialize(object) + "\n";
}

}  // namespace bullpen
