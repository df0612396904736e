/// What a comparison has found: numbers only. The table, the report and the JSON file show them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "servers/bench/compare/machine.hpp"
#include "servers/bench/compare/workload.hpp"
#include "servers/bench/load/cpu_time.hpp"
#include "servers/bench/load/latency.hpp"
#include "servers/bench/text/spread.hpp"

namespace bullpen {

struct ErrorCount {
    std::string name;  ///< As name_of(LoadError) has it.
    std::int64_t count = 0;
};

/// The requests of one kind in a run. Most workloads have one kind; skewed has fast and slow ones.
struct RequestLatency {
    std::string name;
    std::int64_t requests = 0;
    LatencySummary summary = {};
    std::vector<LatencyPoint> distribution = {};
};

/// Proportional set sizes, while as many clients as the load had at once are connected and say nothing.
struct MemoryUse {
    std::int64_t master_kb = 0;
    std::int64_t workers_kb = 0;  ///< All processes below the master.
    std::int64_t workers = 0;     ///< The occupied slots among which workers_kb falls.
};

/// What became of a run's datagrams; all 0 where the clients made connections.
struct DatagramCounts {
    std::int64_t sent = 0;             ///< Transmissions of questions.
    std::int64_t retransmissions = 0;  ///< Of them: those of a question that had been sent before.
    std::int64_t answers = 0;          ///< Also those that came late.
    std::int64_t dropped = 0;          ///< By the kernel, because the server's receive buffer was full.

    /// The part of all transmissions to which no answer came, 0 to 1.
    [[nodiscard]] double loss() const noexcept;
};

/// One run of one model: a server of its own from start to stop.
struct Run {
    /// That ended, well or not, without the warm-up. A question that is a datagram counts as one.
    std::int64_t connections = 0;
    std::int64_t requests = 0;  ///< That were answered.
    std::int64_t reconnects = 0;
    std::int64_t other_requests = 0;  ///< The warm-up's, and the connections that memory was measured with.
    bool cut_short = false;           ///< The time limit came before all connections.
    std::vector<ErrorCount> errors = {};
    std::vector<RequestLatency> latency = {};  ///< The kind that models are judged by first.
    double wall_s = 0;
    double client_cpu_s = 0;
    double machine_busy = 0;  ///< 0 to 1, all CPUs.
    Usage server = {};        ///< The master and all its workers, from start to stop, the warm-up included.
    Usage start_stop = {};    ///< The same of a server to which nobody came.
    MemoryUse memory = {};
    /// As the scoreboard counted them, the warm-up included.
    std::vector<std::uint64_t> connections_by_slot = {};
    std::uint64_t lost = 0;
    std::int64_t unaccounted = 0;  ///< Not 0: the conservation law is broken.
    DatagramCounts datagrams = {};

    [[nodiscard]] std::int64_t failed() const noexcept;
    [[nodiscard]] double requests_per_s() const noexcept;
    [[nodiscard]] double connections_per_s() const noexcept;
    [[nodiscard]] double client_share() const noexcept;  ///< Of one CPU.
    /// Of the whole machine: what was used by programs that have nothing to do with this.
    [[nodiscard]] double others_share(int cpus) const noexcept;
    /// Per request (with one request a connection that is per connection), without starting and stopping.
    [[nodiscard]] double user_us() const noexcept;
    [[nodiscard]] double system_us() const noexcept;
    [[nodiscard]] double cpu_us() const noexcept { return user_us() + system_us(); }
    [[nodiscard]] double voluntary_switches() const noexcept;
    [[nodiscard]] double involuntary_switches() const noexcept;
    [[nodiscard]] double loss() const noexcept { return datagrams.loss(); }
    [[nodiscard]] double tree_kb() const noexcept;
    [[nodiscard]] double worker_kb() const noexcept;  ///< 0: it has no worker.

private:
    [[nodiscard]] double per_request(double with_load, double without) const noexcept;
};

/// CPU time of a request in its two parts.
struct CpuParts {
    double user_us = 0;
    double system_us = 0;
};

/// One model under one workload, as often as it was run.
struct Measurement {
    std::string model;
    std::string failure = {};  ///< One sentence on why there are no (complete) numbers; empty: there are.
    bool worker_per_client = false;  ///< A process or a thread.
    std::vector<Run> runs = {};

    /// It has numbers to show.
    [[nodiscard]] bool measured() const noexcept { return failure.empty() && !runs.empty(); }

    /// Of a number that each run has: `over(&Run::cpu_us)`.
    [[nodiscard]] Spread over(const std::function<double(const Run&)>& number) const;

    /// Of the run with the median CPU time, so that they add up to over(&Run::cpu_us).median; of an even
    /// number of runs the mean of the middle two.
    [[nodiscard]] CpuParts cpu_parts() const;

    /// Of the kind of requests that models are judged by: `latency(&LatencySummary::p99_us)`.
    [[nodiscard]] Spread latency(double LatencySummary::*quantile) const;

    /// Of all runs together.
    [[nodiscard]] DatagramCounts datagrams() const noexcept;

    /// Connections by slot of all runs together; slot n of one run is slot n of the others.
    [[nodiscard]] std::vector<std::uint64_t> connections_by_slot() const;

    /// The median of the runs at each point of the distribution of that kind of requests.
    [[nodiscard]] std::vector<LatencyPoint> distribution(std::size_t kind = 0) const;
};

struct LeftOut {
    std::string model;
    std::string reason;  ///< A sentence.
};

/// What a receive buffer that is full does to a sender, and what becomes of the bounds of messages: a trial
/// on this machine. First two messages, of 3 and of 5 bytes, are read at once; then nobody reads while one
/// sends without waiting, until the kernel takes no more or all that were to be sent were.
struct FullBuffer {
    std::string transport;        ///< As Workload::transport has it.
    std::int64_t first_read = 0;  ///< Bytes of the first read: 3 where messages keep their bounds, else 8.
    std::int64_t sent = 0;        ///< Messages that the kernel took.
    bool would_block = false;     ///< At some time one had no room (EAGAIN).
    bool waits = false;           ///< A sender who may wait is held, until his time-out.
    std::int64_t received = 0;    ///< Messages, once somebody read.
    std::int64_t dropped = 0;     ///< By the kernel, as it says itself (SO_RXQ_OVFL).
};

struct WorkloadResult {
    Workload workload;
    std::vector<Measurement> measurements = {};  ///< In the order of the models.
    std::vector<LeftOut> left_out = {};
    std::vector<FullBuffer> full_buffers = {};  ///< transports only.

    [[nodiscard]] std::vector<const Measurement*> measured() const;

    /// The base line of Stevens' "process control CPU time".
    [[nodiscard]] std::optional<double> iterative_cpu_us() const;

    /// The greatest share of the machine that other programs used during a run of those measured.
    [[nodiscard]] double others_share(const Machine& machine) const;
};

struct Comparison {
    std::string began;    ///< UTC, ISO 8601.
    std::string version;  ///< Of Bullpen.
    std::string command;  ///< Repeats it.
    Machine machine;
    int workers = 0;  ///< Of the models with a pool.
    int repeat = 0;   ///< Runs that were asked for of each model; an interruption leaves fewer.
    bool interrupted = false;
    std::vector<WorkloadResult> workloads = {};
};

/// A one-threaded client that uses more of its CPU than this measures itself.
constexpr double client_share_max = 0.9;

}  // namespace bullpen
