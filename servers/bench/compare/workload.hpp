/// What the clients of a measurement do: a workload, and the names under which `compare` knows some.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// The same for every model under it.
struct Workload {
    std::string name = {};
    std::string service = {};
    std::string path = {};           ///< What is asked for; of the service echo: empty.
    std::uint64_t answer_bytes = 0;  ///< Of the right answer, or of the message.
    int concurrency = 0;             ///< Connections at a time.
    int requests_per_connection = 1;
    double rate = 0;  ///< Requests a second that are due whatever the answers do; 0: closed loop.
    std::int64_t connections = 0;  ///< In a run; 0: as many as duration_s allows.
    double duration_s = 0;         ///< Of a run; with `connections` the limit.
    std::string rare_path = {};    ///< Asked for instead of `path` in rare_share of the requests.
    double rare_share = 0;
    std::int64_t send_over_ms = 0;  ///< A request is sent in pieces over so long; 0: at once.
    int idle = 0;  ///< Connections beside those of the load that had an answer once and are silent since.
    /// "tcp", "unix", or for datagrams "udp", "unixgram"; "all": each contender has one of its own.
    std::string transport = "tcp";
    std::string model = {};  ///< transports: the one under which all are served; else the contenders' own.
};

/// What the user may say about any of them. 0 (or empty): the workload's own.
struct WorkloadOptions {
    std::string service = "http";  ///< Of short and keep-alive; the others are served by `work`.
    int concurrency = 16;
    int requests_per_connection = 100;  ///< Of keep-alive.
    double rate = 0;
    std::int64_t connections = 0;
    double duration_s = 2;
    int time_limit_s = 60;                    ///< With `connections`.
    int size = 128;                           ///< Of the small file or message.
    int cpu_us = 200;                         ///< cpu: what a request computes.
    int sleep_ms = 5;                         ///< io: what a request waits for.
    std::vector<int> idle = {10, 100, 1000};  ///< idle: a workload each, with so many idle connections.
    std::string send_file =
        {};  ///< large: sendfile or copy (read and write) from a file; empty: from memory.
};

struct NamedWorkload {
    std::string_view name;
    std::string_view summary;  ///< A clause for a page: "…".
    bool in_all = true;        ///< Among those that "all" stands for, which are of connections.
};

/// In the order in which they are shown.
const std::vector<NamedWorkload>& workloads();

/// The workloads of this name: of idle one for each of options.idle. Throws std::invalid_argument naming
/// those that are known.
std::vector<Workload> make_workloads(const std::string& name, const WorkloadOptions& options);

/// The first of them.
Workload make_workload(const std::string& name, const WorkloadOptions& options);

/// Its NamedWorkload::summary behind ": "; empty if it has none, because another version measured it.
std::string summary_of(const Workload& workload);

/// How long a run's warm-up is, in connections and at most in seconds.
std::int64_t warm_up_connections(const Workload& workload) noexcept;
constexpr double warm_up_s = 0.3;

/// "128-byte answers, one request a connection, 16 connections at a time, closed loop" and so on.
std::string describe(const Workload& workload);

/// A way of a question and its answer between two processes: what the workload transports compares.
struct Transport {
    std::string_view name;
    std::string_view summary;   ///< A clause for a page.
    std::string_view protocol;  ///< As Workload::transport has it.
    bool kept;                  ///< A connection is kept for many questions.
};

/// In the order in which they are shown.
const std::vector<Transport>& transports();

/// Whether the contenders are transports, and not models.
bool compares_transports(const Workload& workload) noexcept;

/// "model", or "transport".
const char* noun_of(const Workload& workload) noexcept;

/// The workload transports as this one has it.
Workload workload_over(const Transport& transport, Workload workload);

/// Whether its clients send datagrams, and connect to nothing.
bool sends_datagrams(const Workload& workload) noexcept;

/// "connection", "request" where a connection makes several, or "datagram".
const char* unit_of(const Workload& workload) noexcept;

}  // namespace bullpen
