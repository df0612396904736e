/// The built-in load client: many connections at once from one thread, each followed by the next (a closed
/// loop).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/address.hpp"
#include "servers/cli/dialogue.hpp"
#include "servers/cli/latency.hpp"

namespace bullpen {

/// How a connection can fail. A failed connection is over; its remaining requests are not made.
enum class LoadError {
    refused,         ///< Nobody listens.
    reset,           ///< ECONNRESET or EPIPE.
    ended_early,     ///< The server closed before its answer was complete.
    wrong_answer,    ///< Another status, size or content than expected.
    timed_out,       ///< No whole answer within request_timeout.
    no_local_port,   ///< EADDRNOTAVAIL: all of the client's ports to this address are in use or in TIME_WAIT.
    no_descriptors,  ///< The client may open no more.
    other,
};
constexpr std::size_t load_errors = 8;
const char* name_of(LoadError error) noexcept;

using LoadErrorCounts = std::array<long, load_errors>;

struct RequestClass {
    std::string name;
    Dialogue dialogue;
    double weight = 1;
};
struct ClassResult {
    std::string name;
    Latencies latencies;
};

struct LoadOptions {
    Address server;
    std::vector<RequestClass> classes;
    long connections = 1;  ///< In total.
    int concurrency = 1;   ///< At once.
    int requests_per_connection = 1;
    double rate = 0;
    std::chrono::milliseconds send_over{0};
    std::chrono::milliseconds duration{0};
    std::chrono::milliseconds request_timeout{10'000};
    std::chrono::milliseconds time_limit{60'000};
    std::chrono::milliseconds report_interval{100};
    /// Told every report_interval how many connections have ended; false ends the load.
    std::function<bool(long ended)> keep_going = [](long) { return true; };
};

struct LoadResult {
    long connections = 0;  ///< That ended, well or not.
    long requests = 0;     ///< That were answered as expected.
    /// The server closed a connection between two requests, as it may; the rest was asked on a new one.
    long reconnects = 0;
    LoadErrorCounts errors{};
    std::vector<ClassResult> classes;  ///< Of answered requests: from connect() (later ones: from sending) to the last byte.
    double wall_s = 0;
    double client_cpu_s = 0;
    bool cut_short = false;  ///< By the time limit or by keep_going; what was begun then is not counted.

    [[nodiscard]] long failed() const noexcept;
};

/// Runs in the caller's thread. SIGPIPE is not raised. Throws std::system_error if there is no epoll to be
/// had.
LoadResult run_load(const LoadOptions& options);

}  // namespace bullpen
