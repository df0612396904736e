/// Bullpen as a library: a handler becomes a server.
///
///     #include "servers/serve.hpp"
///
///     int main() {
///         return bullpen::serve({.listen = {"127.0.0.1:7000"}}, [](bullpen::Connection& client) {
///             client.write_all("hello\n");
///         });
///     }
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/async_handler.hpp"
#include "core/handler.hpp"
#include "core/program.hpp"
#include "core/time_limits.hpp"
#include "pool/admission.hpp"
#include "pool/handoff_when.hpp"
#include "pool/sizing.hpp"

namespace bullpen {

struct Options {
    std::string name = "default";  ///< The pool's name in logs and metrics.
    std::vector<std::string> listen = {
        "127.0.0.1:8080"};          ///< HOST:PORT, [V6]:PORT or unix:/path, one or several.
    std::string model = "prefork";  ///< One of those that `bullpen models` lists.
    PoolLimits limits = {};
    int threads = 1;      ///< prefork: workers in each process, a thread each.
    int capacity = 1000;  ///< event, prefork-event: connections that a worker serves at once.

    TimeLimits time_limits = {};
    std::chrono::milliseconds request_limit{0};      ///< For one request; 0: none. Then the worker is told to
    std::chrono::milliseconds request_grace{5'000};  ///< stop (SIGTERM) and, after this, killed. Not with
                                                     ///< models whose one process serves many.
    /// How long a worker of prefork may itself wait for a client's next request before the connection is
    /// parked; a client that is handed to it ends the wait. 0: not at all.
    std::chrono::milliseconds await_next{4};
    /// A worker that is stopped (SIGSTOP, a debugger) for so long is killed and replaced.
    std::chrono::milliseconds stopped_limit{10'000};

    // Where the master accepts: models prefork, prefork-event, fork and inetd.
    HandoffWhen handoff_when = HandoffWhen::accepted;
    AdmissionOptions admission = {};              ///< Who gets in.
    int queue_max = 0;                            ///< Clients that wait in the master, not in the backlog,
    std::chrono::milliseconds queue_wait{1'000};  ///< so long at most; then they are refused
    std::string refusal = {};                     ///< with these bytes.
    int connections_max = 0;                      ///< Open at once; 0: as many as RLIMIT_NOFILE has room for.

    std::string metrics = "off";  ///< Where Prometheus may scrape (/metrics, /healthz, /readyz), or "off".
    std::chrono::seconds drain_timeout{30};  ///< The longest that an orderly stop may take.
};

/// Serves until SIGTERM, SIGINT or SIGQUIT and returns main()'s exit status: 0 after an orderly stop, 1 if it
/// could not start, 2 if the options are wrong (one sentence on stderr says what). The calling process
/// becomes the master and must have one thread; `handler` runs in worker processes, one client at a time.
/// Descriptors that are open at the call stay open in the workers. In the models thread, prethread and
/// prethread-accept, and with several `threads`, one handler is called by several threads at once.
int serve(const Options& options, Handler handler);

/// The same of a coroutine (core/async_connection.hpp), for the models event and prefork-event.
int serve(const Options& options, AsyncHandler handler);

/// The same of a program, which is started for each client with the connection as its standard descriptors,
/// for the model inetd.
int serve(const Options& options, Program program);

}  // namespace bullpen
