/// What a comparison has found: numbers only. The table and the JSON file show them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "servers/cli/latency.hpp"
#include "servers/cli/load.hpp"
#include "servers/cli/machine.hpp"

namespace bullpen {

/// The same for every model of a comparison.
struct ComparisonSetup {
    std::string service;
    std::string path = {};           ///< http only.
    std::uint64_t answer_bytes = 0;  ///< Of the file or the message.
    long connections = 0;
    long warm_up_connections = 0;
    int concurrency = 0;
    bool keep_alive = false;
    int requests_per_connection = 1;
    int workers = 0;
};

/// One model's run.
struct Measurement {
    std::string model;
    std::string failure = {};  ///< One sentence on why there are no (complete) numbers; empty: there are.
    bool process_per_connection = false;

    long connections = 0;  ///< That ended, well or not, without the warm-up.
    long requests = 0;     ///< That were answered.
    long reconnects = 0;
    long warm_up_requests = 0;
    bool cut_short = false;  ///< The time limit came first.
    LoadErrorCounts errors{};
    LatencySummary latency = {};
    double wall_s = 0;

    double client_cpu_s = 0;
    double machine_busy = 0;  ///< 0 to 1, all CPUs.
    double server_cpu_s = 0;  ///< The master and all its workers, from start to stop, the warm-up included.
    double start_stop_cpu_s = 0;  ///< The same of a run without a client.

    /// As the scoreboard counted them, the warm-up included.
    std::vector<std::uint64_t> connections_by_slot = {};
    std::uint64_t lost = 0;
    std::int64_t unaccounted = 0;  ///< Not 0: the conservation law is broken.

    [[nodiscard]] long failed() const noexcept;
    [[nodiscard]] double requests_per_s() const noexcept;
    [[nodiscard]] double client_share() const noexcept;  ///< Of one CPU.
    /// Of the whole machine: what was used by programs that have nothing to do with this.
    [[nodiscard]] double others_share(int cpus) const noexcept;
    [[nodiscard]] double cpu_us_per_request() const noexcept;  ///< Without starting and stopping the server.
};

struct Comparison {
    ComparisonSetup setup;
    Machine machine;
    std::string began;  ///< UTC, ISO 8601.
    std::vector<Measurement> measurements = {};
    std::vector<std::string> not_reached = {};  ///< Models, after an interruption.

    /// The base line of Stevens' "process control CPU time": the first measured run of model iterative.
    [[nodiscard]] std::optional<double> iterative_cpu_us() const noexcept;
};

/// A one-threaded client that uses more of its CPU than this measures itself.
constexpr double client_share_max = 0.9;

}  // namespace bullpen
