#include "servers/bench/compare/bench.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "servers/bench/compare/dropped_datagrams.hpp"
#include "servers/bench/compare/measured_server.hpp"
#include "servers/bench/load/cpu_time.hpp"
#include "servers/bench/load/idle_clients.hpp"
#include "servers/bench/load/silent_clients.hpp"
#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

std::chrono::milliseconds in_ms(double seconds) {
    return std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1000)};
}

/// The last request is sent in five pieces, evenly over send_over_ms.
SlowSend slow_send(const Workload& workload, const std::vector<RequestClass>& requests) {
    constexpr std::size_t pieces = 5;
    if (workload.send_over_ms == 0) return {};
    const std::size_t size = requests.front().dialogue.last_request.size();
    return {
        .bytes = (size + pieces - 1) / pieces,
        .interval = std::chrono::milliseconds{workload.send_over_ms / std::int64_t{pieces - 1}},
    };
}

LoadOptions load_for(const MeasuredServer& server, const Workload& workload,
                     const std::vector<RequestClass>& requests) {
    constexpr std::chrono::seconds for_the_last{15};  // What was begun in time is awaited so long.
    LoadOptions load{
        .server = server.address(),
        .classes = requests,
        .connections = workload.connections,
        .concurrency = workload.concurrency,
        .requests_per_connection = workload.requests_per_connection,
        .rate = workload.rate,
        .slow_send = slow_send(workload, requests),
    };
    if (workload.connections > 0) {
        load.time_limit = in_ms(workload.duration_s);
    } else {
        load.duration = in_ms(workload.duration_s);
        load.time_limit = load.duration + for_the_last;
    }
    return load;
}

/// The same, closed and short.
LoadOptions warm_up_for(LoadOptions load, const Workload& workload) {
    load.rate = 0;
    load.connections = warm_up_connections(workload);
    load.duration = in_ms(warm_up_s);
    return load;
}

DatagramLoadOptions datagrams_for(const MeasuredServer& server, const Workload& workload) {
    return {
        .server = server.address(),
        .concurrency = workload.concurrency,
        .questions = workload.connections,
        .duration = in_ms(workload.duration_s),
        .size = workload.answer_bytes,
    };
}

DatagramLoadOptions warm_up_for(DatagramLoadOptions load, const Workload& workload) {
    load.questions = warm_up_connections(workload);
    load.duration = in_ms(warm_up_s);
    return load;
}

std::string nothing_answered(const LoadResult& load) {
    for (std::size_t i = 0; i < load.errors.size(); ++i)
        if (load.errors[i] > 0)
            return "none of " + grouped(load.connections) + " connections was answered as expected (" +
                   name_of(static_cast<LoadError>(i)) + ")";
    return "no connection was answered within the time limit";
}

std::vector<ErrorCount> errors_of(const LoadResult& load) {
    std::vector<ErrorCount> errors;
    for (std::size_t i = 0; i < load.errors.size(); ++i)
        if (load.errors[i] > 0)
            errors.push_back({.name = name_of(static_cast<LoadError>(i)), .count = load.errors[i]});
    return errors;
}

std::vector<RequestLatency> latency_of(const LoadResult& load) {
    std::vector<RequestLatency> kinds;
    for (const ClassResult& kind : load.classes)
        kinds.push_back({
            .name = kind.name,
            .requests = static_cast<std::int64_t>(kind.latencies.count()),
            .summary = kind.latencies.summary(),
            .distribution = kind.latencies.distribution(),
        });
    return kinds;
}

void note_datagrams(const DatagramLoadResult& load, Run& run) {
    run.connections = load.answered + load.given_up;
    run.requests = load.answered;
    run.other_requests += load.answers - load.answered;
    if (load.given_up > 0) run.errors = {{.name = "unanswered", .count = load.given_up}};
    run.latency = {{
        .name = "all",
        .requests = load.answered,
        .summary = load.latencies.summary(),
        .distribution = load.latencies.distribution(),
    }};
    run.wall_s = load.wall_s;
    run.client_cpu_s = load.client_cpu_s;
    run.datagrams.sent = load.sent;
    run.datagrams.retransmissions = load.retransmissions;
    run.datagrams.answers = load.answers - load.duplicates;
}

/// Looks every few milliseconds until `done`, at most for `limit`.
template <typename Done>
void look_until(Done done, std::chrono::milliseconds limit) {
    constexpr std::chrono::milliseconds between_looks{5};
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!done() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(between_looks);
}

/// A client sees the end of its connection before the scoreboard does.
void wait_until_at_rest(const ScoreboardReader& scoreboard) {
    constexpr std::chrono::milliseconds patience{10'000};
    look_until(
        [&] {
            const PoolTotals totals = total(scoreboard);
            return totals.begun == 0 && totals.queued == 0 && totals.unaccounted() == 0;
        },
        patience);
}

/// With clients that have sent the first byte of a request: a client that has sent nothing has no worker
/// where new clients are handed over once readable.
void measure_memory(const MeasuredServer& server, int clients, std::string_view request, Run& run) {
    constexpr std::chrono::milliseconds patience{200};
    const SilentClients silent{server.address(), clients, request.substr(0, 1)};
    std::uint64_t begun = 0;
    look_until(
        [&] {
            const std::uint64_t before = begun;
            begun = total(server.scoreboard()).begun;
            return begun > 0 && begun == before;
        },
        patience);
    run.memory = server.memory();
    run.other_requests += silent.count();
}

void read_slots(const ScoreboardReader& scoreboard, Run& run) {
    for (std::uint32_t slot = 0; slot < scoreboard.slots(); ++slot)
        run.connections_by_slot.push_back(outcomes(scoreboard.row(slot)));
}

}  // namespace

std::optional<Run> Bench::run(const Contender& contender, const std::vector<RequestClass>& requests,
                              const std::string& stage) {
    const Workload& workload = contender.workload;
    Run run;
    run.start_stop = start_and_stop(contender, stage);
    if (interrupted()) return std::nullopt;

    MeasuredServer server{contender.server};
    std::string failure;
    if (!wait_until_ready(server)) {
        failure = "its workers did not become ready";
    } else {
        try {
            if (sends_datagrams(workload))
                load_by_datagrams(server, workload, stage, run);
            else
                load(server, workload, requests, stage, run);
        } catch (const RunFailed& failed) {
            failure = failed.what();
        }
    }
    progress_.show(stage + "stopping");
    const MeasuredServer::End end = server.stop();
    if (interrupted()) return std::nullopt;
    if (!end.failure.empty()) failure = end.failure;  // That is why, whatever the clients saw of it.
    if (!failure.empty()) throw RunFailed{failure};
    run.server = end.used;
    const PoolTotals totals = total(server.scoreboard());
    run.lost = totals.lost;
    run.unaccounted = totals.unaccounted();
    return run;
}

Usage Bench::start_and_stop(const Contender& contender, const std::string& stage) {
    const std::string key = contender.name + " " + contender.service;
    if (const auto known = start_stop_.find(key); known != start_stop_.end()) return known->second;
    progress_.show(stage + "starting and stopping it without a client");
    MeasuredServer server{contender.server};
    const bool ready = wait_until_ready(server);
    const MeasuredServer::End end = server.stop();
    if (!end.failure.empty()) throw RunFailed{end.failure};
    if (!ready && !interrupted()) throw RunFailed{"its workers did not become ready"};
    return start_stop_.emplace(key, end.used).first->second;
}

void Bench::load(const MeasuredServer& server, const Workload& workload,
                 const std::vector<RequestClass>& requests, const std::string& stage, Run& run) {
    const LoadOptions options = load_for(server, workload, requests);
    const LoadResult warm_up = drive(server, warm_up_for(options, workload), stage + "warming up, ");
    if (warm_up.requests == 0) throw RunFailed{nothing_answered(warm_up)};
    run.other_requests = warm_up.requests;

    std::optional<IdleClients> idle{std::in_place, options, workload.idle, [&] { return !interrupted(); }};
    run.other_requests += idle->count();

    const MachineTicks before = read_machine_ticks();
    const LoadResult load = drive(server, options, stage);
    run.machine_busy = busy_share(before, read_machine_ticks());
    if (const long held = idle->undisturbed(); held < workload.idle)
        throw RunFailed{"of " + grouped(workload.idle) + " idle connections it held only " + grouped(held)};
    idle.reset();
    if (load.requests == 0) throw RunFailed{nothing_answered(load)};
    run.connections = load.connections;
    run.requests = load.requests;
    run.reconnects = load.reconnects;
    run.cut_short = load.cut_short;
    run.errors = errors_of(load);
    run.latency = latency_of(load);
    run.wall_s = load.wall_s;
    run.client_cpu_s = load.client_cpu_s;

    wait_until_at_rest(server.scoreboard());
    read_slots(server.scoreboard(), run);
    measure_memory(server, workload.concurrency, requests.front().dialogue.last_request, run);
}

void Bench::load_by_datagrams(const MeasuredServer& server, const Workload& workload,
                              const std::string& stage, Run& run) {
    const DatagramLoadOptions options = datagrams_for(server, workload);
    const DatagramLoadResult warm_up = drive(server, warm_up_for(options, workload), stage + "warming up, ");
    if (warm_up.answered == 0) throw RunFailed{"no datagram was answered"};
    run.other_requests = warm_up.answers;

    const std::int64_t dropped_before = datagrams_dropped_at(server.address().port());
    const MachineTicks before = read_machine_ticks();
    const DatagramLoadResult load = drive(server, options, stage);
    run.machine_busy = busy_share(before, read_machine_ticks());
    if (load.answered == 0) throw RunFailed{"no datagram was answered"};
    note_datagrams(load, run);
    run.cut_short = run.connections < workload.connections;
    run.datagrams.dropped = datagrams_dropped_at(server.address().port()) - dropped_before;

    wait_until_at_rest(server.scoreboard());
    read_slots(server.scoreboard(), run);
    run.memory = server.memory();
}

LoadResult Bench::drive(const MeasuredServer& server, const LoadOptions& load, const std::string& stage) {
    LoadOptions watched = load;
    watched.keep_going = [&](long ended) {
        const std::string of = load.connections > 0 ? " of " + grouped(load.connections) : "";
        progress_.show(stage + grouped(ended) + of + " connections");
        return !interrupted() && server.running();
    };
    return run_load(watched);
}

DatagramLoadResult Bench::drive(const MeasuredServer& server, const DatagramLoadOptions& load,
                                const std::string& stage) {
    DatagramLoadOptions watched = load;
    watched.keep_going = [&](long answered, long given_up) {
        const std::string of = load.questions > 0 ? " of " + grouped(load.questions) : "";
        progress_.show(stage + grouped(answered + given_up) + of + " datagrams");
        return !interrupted() && server.running();
    };
    return run_datagram_load(watched);
}

bool Bench::wait_until_ready(const MeasuredServer& server) const {
    return server.wait_until_ready([&] { return !interrupted(); });
}

}  // namespace bullpen
