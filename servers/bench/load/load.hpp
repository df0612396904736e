/// The built-in load client: many connections at once from one thread. In a closed loop each request follows
/// the answer to the one before; in an open loop requests are due on a schedule, whatever the server does.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <bullpen/address.hpp>
#include "servers/bench/load/dialogue.hpp"
#include "servers/bench/load/latency.hpp"
#include "servers/bench/load/load_error.hpp"
#include "servers/bench/load/schedule.hpp"

namespace bullpen {

/// One kind of request. Those with the same name are counted together.
struct RequestClass {
    std::string name = "all";
    Dialogue dialogue;
    unsigned weight = 1;  ///< How often it comes, beside the other classes' weights.
};

/// For a client that sends slowly.
struct SlowSend {
    std::size_t bytes = 0;  ///< At a time; 0: all at once.
    std::chrono::milliseconds interval{100};
};

struct LoadResult;

/// What comes first of connections, requests and duration ends the load: nothing new is begun, and what was
/// begun is awaited. At least one must be given (or time_limit, which cuts off).
struct LoadOptions {
    Address server;
    Address source = {};                    ///< Where connections come from; unknown: as the kernel chooses.
    std::vector<RequestClass> classes;      ///< At least one, all of one protocol. They mix on a connection.
    long connections = 0;                   ///< In total; 0: no limit.
    int concurrency = 1;                    ///< Connections at once.
    int requests_per_connection = 1;        ///< 0: no limit.
    long requests = 0;                      ///< In total; 0: no limit.
    std::chrono::milliseconds duration{0};  ///< 0: no limit.
    /// Requests a second of an open loop; 0: a closed loop. A request that is due takes a connection that
    /// rests or opens a new one; while `concurrency` of them are busy it waits, and its wait is part of its
    /// latency.
    double rate = 0;
    Arrivals arrivals = Arrivals::even;
    std::uint64_t seed = 1;  ///< Of Poisson arrivals.
    SlowSend slow_send = {};
    std::chrono::milliseconds think_time{
        0};  ///< Closed loop: from an answer to the connection's next request.
    std::chrono::milliseconds request_timeout{10'000};  ///< Open loop: from when it was due.
    std::chrono::milliseconds end_timeout{1'000};       ///< For the server to close after a last answer.
    std::chrono::milliseconds time_limit{60'000};
    std::chrono::milliseconds report_interval{100};
    /// Told every report_interval how many connections have ended; false ends the load.
    std::function<bool(long ended)> keep_going = [](long) { return true; };
    /// Told the same time what has come out so far (without the last four fields).
    std::function<void(const LoadResult&)> report = [](const LoadResult&) {};
};

struct ClassResult {
    std::string name;
    long requests = 0;
    Latencies latencies = {};
};

struct LoadResult {
    long connections = 0;  ///< That ended, well or not.
    long requests = 0;     ///< That were answered as expected.
    /// The server closed a connection between two requests, as it may; the rest was asked on a new one.
    long reconnects = 0;
    /// After the last answer the server left the connection open for end_timeout, reset it or sent more. No
    /// error: the request is counted as answered.
    long bad_ends = 0;
    std::uint64_t bytes = 0;  ///< That came back.
    LoadErrorCounts errors{};
    std::map<int, long> statuses = {};  ///< Of complete HTTP answers.
    std::vector<ClassResult> classes = {};
    /// Open loop: how late requests were sent although a connection was free, which is the client's own
    /// fault.
    Latencies lateness = {};
    /// The longest that a request has waited for its answer, whether it got one, failed or was cut off.
    std::uint64_t longest_wait_ns = 0;
    /// Of answered requests, all classes together: to the answer's last byte, in an open loop from when the
    /// request was due, else from connect() (a connection's later ones: from sending).
    Latencies latencies = {};
    double wall_s = 0;
    double client_cpu_s = 0;
    bool cut_short = false;  ///< By the time limit or by keep_going; what was begun then is not counted.

    [[nodiscard]] long failed() const noexcept;
};

/// Runs in the caller's thread. SIGPIPE is not raised. Memory does not grow with the number of requests.
/// Throws std::system_error if there is no epoll to be had.
LoadResult run_load(const LoadOptions& options);

}  // namespace bullpen
