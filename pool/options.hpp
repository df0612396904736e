/// What a user may choose for a pool. servers/settings has a row for each of these: the program's flag, the
/// configuration file's key, the range and the check, for the program and for the library alike.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "core/listener.hpp"
#include "core/time_limits.hpp"
#include "pool/accept_lock.hpp"
#include "pool/admission.hpp"
#include "pool/handoff_when.hpp"
#include "pool/sizing.hpp"

namespace bullpen {

/// The scheduling policy of the workers, see sched(7).
enum class Scheduling {
    batch,  ///< SCHED_BATCH: a worker that is woken by a handoff does not take the CPU from the master in the
            ///< middle of its round. Measured: a third less CPU for each connection, and more of them.
    normal,  ///< SCHED_OTHER: may answer sooner where other programs keep the CPUs busy.
};

struct Options {
    std::string name = "default";  ///< The pool's name in logs and metrics.
    /// HOST:PORT, [V6]:PORT or unix:/path, one or several.
    std::vector<std::string> listen = {"127.0.0.1:8080"};
    std::string model = "prefork";  ///< One of those that `bullpen models` lists.

    PoolLimits limits = {};
    std::chrono::milliseconds shrink_window{10'000};  ///< A worker idle for all of it may be retired.
    ListenOptions listen_options = {};
    Scheduling scheduling = Scheduling::batch;
    int threads = 1;      ///< prefork: workers in each process, a thread each.
    int capacity = 1000;  ///< event, prefork-event: connections that a worker serves at once.
    /// Model prefork: connections that a worker may have in its channel beyond the one it serves, when no
    /// worker is idle: it goes on without a wake-up. A worker that falls idle before gets them.
    int queue_ahead = 1;
    AcceptLockKind accept_lock = AcceptLockKind::mutex;  ///< prefork-lock: what the workers take turns by.

    AdmissionOptions admission = {};                   ///< Which clients get in, where the master accepts.
    HandoffWhen handoff_when = HandoffWhen::accepted;  ///< Where the master accepts.
    /// How long a worker of prefork itself waits for a client's next request before the connection is parked.
    /// The master ends the wait: by handing over a client, or after this time at its next look, which comes
    /// within 250 ms. 0: the connection is parked at once.
    std::chrono::milliseconds await_next{4};
    TimeLimits time_limits = {};
    /// The time for one request; 0: none. Then its worker is told to stop (SIGTERM) and, after request_grace,
    /// killed. Not with models whose one process serves many.
    std::chrono::milliseconds request_timeout{0};
    std::chrono::milliseconds request_grace{5'000};
    /// A worker that is stopped (SIGSTOP, a debugger), or that doesn't hold what it was handed and doesn't
    /// answer, for so long of the master's running time is killed, and what it held is lost.
    std::chrono::milliseconds stopped_timeout{10'000};

    int queue =
        0;  ///< Clients that may wait for a worker in the master; 0: all wait in the kernel's backlog.
    std::chrono::milliseconds queue_timeout{1'000};  ///< The longest of that wait; then a client is refused.
    std::string refusal = {};         ///< What a refused client is told, in the service's own words.
    std::size_t connections_max = 0;  ///< Open at once; 0: as many as RLIMIT_NOFILE has room for. Never more
                                      ///< than that.

    // Of the whole server; serve() reads them.
    std::string metrics = "off";  ///< Where Prometheus may scrape (/metrics, /healthz, /readyz), or "off".
    std::chrono::seconds drain_timeout{30};  ///< The longest that an orderly stop may take.
};

}  // namespace bullpen
