/// What a pool is made from.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "core/async_handler.hpp"
#include "core/handler.hpp"
#include "core/listener.hpp"
#include "core/program.hpp"
#include "core/time_limits.hpp"
#include "pool/accept_lock.hpp"
#include "pool/admission.hpp"
#include "pool/handoff_when.hpp"
#include "pool/model.hpp"
#include "pool/sizing.hpp"

namespace bullpen {

struct PoolOptions {
    std::string name = "default";
    std::vector<std::string> listen = {"127.0.0.1:8080"};
    ListenOptions listen_options;
    Model model;
    Handler handler = [](Connection&) {};  ///< What models of Form::blocking serve,
    AsyncHandler async_handler = {};       ///< those of Form::asynchronous,
    Program program = {};                  ///< and those of Form::program.
    int threads = 1;                       ///< Workers in each process, see Model::takes_threads.
    int capacity = 1000;  ///< Connections that a worker serves at once, where the model multiplexes.
    /// Connections that a worker may have in its channel beyond those it serves, when no worker is idle: it
    /// goes on without a wake-up. Another that falls idle first gets them.
    int queue_ahead = 1;
    HandoffWhen handoff_when = HandoffWhen::accepted;
    /// How long a worker may itself wait for the next request of a client before it gives the connection
    /// back, where the model parks. The master ends the wait: by handing it a client, or after this time at
    /// its next look, which comes within stuck_after / 2. 0: it gives the connection back at once.
    std::chrono::milliseconds await_next{4};
    TimeLimits time_limits;
    std::chrono::milliseconds request_limit{
        0};  ///< For one request; 0: none. Then the worker is told to stop
    std::chrono::milliseconds request_grace{5'000};  ///< and, after this, killed.
    std::string refusal = {};  ///< What a client is told that is refused, in the service's words.
    int queue_max = 0;         ///< Clients that wait for a worker in the master; 0: in the kernel's backlog.
    std::chrono::milliseconds queue_wait{1'000};  ///< The longest of that wait; then the client is refused.
    std::size_t connections_max = 0;  ///< Open at once; 0: as many as RLIMIT_NOFILE has room for. No more
                                      ///< than that in any case.
    AcceptLockKind accept_lock = AcceptLockKind::mutex;  ///< Where the model takes turns at accept.
    PoolLimits limits;
    AdmissionOptions admission = {};  ///< Where the master accepts.
    /// Workers run under SCHED_BATCH: one that is woken by a handoff does not take the CPU from the master in
    /// the middle of its round. Measured: a third less CPU for each connection, and more of them.
    bool batch_workers = true;
    std::chrono::milliseconds resize_interval{100};   ///< Between two steps of the growing ramp.
    std::chrono::milliseconds shrink_window{10'000};  ///< A worker idle for all of it may be retired.
    std::chrono::milliseconds stuck_after{500};  ///< A worker that hasn't taken what it was handed by then
                                                 ///< is stuck: others get it.
    /// A worker that is stopped (SIGSTOP, a debugger), or that doesn't have what it was handed and doesn't
    /// answer, for so long of the master's running time is killed, and its connections are lost.
    std::chrono::milliseconds stopped_limit{10'000};
    std::chrono::milliseconds steal_after{1};  ///< What is queued ahead for so long goes to an idle worker.
    std::chrono::milliseconds standing_still{2};  ///< No worker has moved for so long: look who waits.
    std::chrono::milliseconds accept_pause{100};  ///< After accept4 failed for want of descriptors or memory.
    /// A client whose head stays incomplete whenever it has sent something is looked at again only after a
    /// pause that doubles: none after the first time, then from the first to the second of these.
    std::chrono::milliseconds drip_pause_min{1};
    std::chrono::milliseconds drip_pause_max{250};
    std::chrono::milliseconds stop_patience{1'000};  ///< At a stop, for the request of a client that has said
                                                     ///< nothing yet.
    std::chrono::milliseconds stop_settle{200};      ///< At a stop, how long the backlog must stay empty: a
                                                     ///< handshake begun before may still be completed.
};

}  // namespace bullpen
