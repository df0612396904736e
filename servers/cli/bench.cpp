#include "servers/cli/bench.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "servers/cli/comparison_table.hpp"
#include "servers/cli/cpu_time.hpp"
#include "servers/cli/load.hpp"

namespace bullpen {
namespace {

/// What starting and stopping the server costs when nobody comes.
double measure_start_stop(const Model& model, const Bench& bench) {
    MeasuredServer server{server_options(model, bench.handler, bench.setup)};
    const bool ready = server.wait_until_ready([&] { return !bench.interruption.came(); });
    const MeasuredServer::End end = server.stop();
    if (!end.failure.empty()) throw std::runtime_error{end.failure};
    if (!ready && !bench.interruption.came()) throw std::runtime_error{"its workers did not become ready"};
    return end.cpu_s;
}

LoadResult drive(const MeasuredServer& server, const Model& model, long connections, const Bench& bench) {
    const ComparisonSetup& setup = bench.setup;
    return run_load({
        .server = server.address(),
        .classes = {{.dialogue = bench.dialogue}},
        .connections = connections,
        .concurrency = setup.concurrency,
        .requests_per_connection = setup.requests_per_connection,
        .time_limit = bench.time_limit,
        .keep_going =
            [&](long ended) {
                bench.progress.show(std::string{model.name} + ": " + grouped(ended) + " of " +
                                    grouped(connections) + " connections");
                return !bench.interruption.came() && server.running();
            },
    });
}

std::string nothing_answered(const LoadResult& load) {
    for (std::size_t i = 0; i < load.errors.size(); ++i)
        if (load.errors[i] > 0)
            return "none of " + grouped(load.connections) + " connections was answered as expected (" +
                   name_of(static_cast<LoadError>(i)) + ")";
    return "no connection was answered within the time limit";
}

void measure_load(const MeasuredServer& server, const Model& model, const Bench& bench, Measurement& m) {
    const LoadResult warm_up = drive(server, model, bench.setup.warm_up_connections, bench);
    m.warm_up_requests = warm_up.requests;
    if (warm_up.requests == 0) {
        m.failure = nothing_answered(warm_up);
        return;
    }
    const MachineTicks before = read_machine_ticks();
    LoadResult load = drive(server, model, bench.setup.connections, bench);
    m.machine_busy = busy_share(before, read_machine_ticks());
    m.connections = load.connections;
    m.requests = load.requests;
    m.reconnects = load.reconnects;
    m.cut_short = load.cut_short;
    m.errors = load.errors;
    m.latency = load.latencies.summary();
    m.wall_s = load.wall_s;
    m.client_cpu_s = load.client_cpu_s;
    if (load.requests == 0) m.failure = nothing_answered(load);
}

void read_scoreboard(const ScoreboardReader& scoreboard, Measurement& m) {
    for (std::uint32_t slot = 0; slot < scoreboard.slots(); ++slot)
        m.connections_by_slot.push_back(scoreboard.row(slot).finished);
    const PoolTotals totals = total(scoreboard);
    m.lost = totals.lost;
    m.unaccounted = totals.unaccounted();
}

}  // namespace

Measurement measure(const Model& model, const Bench& bench) {
    Measurement m{
        .model = std::string{model.name},
        .process_per_connection = model.delivery == Delivery::fork,
    };
    try {
        bench.progress.show(m.model + ": starting and stopping it without a client");
        m.start_stop_cpu_s = measure_start_stop(model, bench);
        if (bench.interruption.came()) return m;

        MeasuredServer server{server_options(model, bench.handler, bench.setup)};
        const bool ready = server.wait_until_ready([&] { return !bench.interruption.came(); });
        if (ready)
            measure_load(server, model, bench, m);
        else
            m.failure = "its workers did not become ready";
        bench.progress.show(m.model + ": stopping");
        const MeasuredServer::End end = server.stop();
        if (!end.failure.empty()) m.failure = end.failure;
        m.server_cpu_s = end.cpu_s;
        read_scoreboard(server.scoreboard(), m);
    } catch (const std::exception& error) {
        m.failure = error.what();
    }
    return m;
}

MeasuredServerOptions server_options(const Model& model, const Handler& handler,
                                     const ComparisonSetup& setup) {
    // A process per client: so many that the cap is not what is measured. Some have exited but are not
    // buried.
    constexpr int dead_ones = 64;
    const bool forks = model.delivery == Delivery::fork;
    const int workers = forks ? std::max(setup.workers, setup.concurrency + dead_ones) : setup.workers;
    return {
        .model = model,
        .handler = handler,
        .limits = {.policy = SizingPolicy::fixed, .workers_start = workers, .workers_max = workers},
    };
}

}  // namespace bullpen
