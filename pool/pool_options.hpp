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
    Handler handler = [](Connection&) {};  ///< Served by models of Form::blocking.
    AsyncHandler async_handler = {};       ///< Served by models of Form::asynchronous.
    Program program = {};                  ///< Served by models of Form::program.
    int threads = 1;                       ///< Workers in each process, see Model::takes_threads.
    int capacity = 1000;  ///< Connections that a worker serves at once, if the model multiplexes.
    /// Connections that may lie in a worker's channel while it serves others, when no worker is idle, so that
    /// it goes on without a wake-up. A worker that falls idle first gets them.
    int queue_ahead = 1;
    HandoffWhen handoff_when = HandoffWhen::accepted;
    /// How long a worker waits for the next request of its client before it gives the connection back, if the
    /// model parks; 0: not at all. The master ends the wait by handing the worker a client, or at its first
    /// look after this time, which comes within stuck_after / 2.
    std::chrono::milliseconds await_next{4};
    TimeLimits time_limits;
    std::chrono::milliseconds request_limit{
        0};  ///< For one request; then its worker is told to stop (SIGTERM). 0: no limit.
    std::chrono::milliseconds request_grace{5'000};  ///< To stop; after this the worker is killed.
    std::string refusal = {};  ///< The bytes that are sent to a client refused for overload.
    int queue_max = 0;  ///< Clients that may wait for a worker in the master; the others in the backlog.
    std::chrono::milliseconds queue_wait{1'000};  ///< How long a client may wait there; then it is refused.
    std::size_t connections_max = 0;  ///< Connections open at once, if RLIMIT_NOFILE has room for them; 0: as
                                      ///< many as it has room for.
    AcceptLockKind accept_lock = AcceptLockKind::mutex;  ///< If the model takes turns at accept.
    PoolLimits limits;
    AdmissionOptions admission = {};  ///< If the master accepts.
    /// Workers run under SCHED_BATCH: a worker that a handoff wakes doesn't take the CPU from the master in
    /// the middle of its turn. Measured: a third less CPU for each connection, and more connections a second.
    bool batch_workers = true;
    std::chrono::milliseconds resize_interval{100};   ///< Between two steps of the growing ramp.
    std::chrono::milliseconds shrink_window{10'000};  ///< A worker idle for all of it may be retired.
    std::chrono::milliseconds stuck_after{500};  ///< A worker that hasn't received a connection within this
                                                 ///< time is stuck: others get its connections.
    /// A worker that is stopped (SIGSTOP, a debugger) for longer than this is killed, and its connections are
    /// lost; so is one that lacks a connection it was handed and doesn't answer. Time in which the master
    /// itself wasn't running doesn't count.
    std::chrono::milliseconds stopped_limit{10'000};
    std::chrono::milliseconds steal_after{1};  ///< A connection queued ahead longer goes to an idle worker.
    std::chrono::milliseconds standing_still{2};  ///< No worker has moved for longer: look at the backlog.
    std::chrono::milliseconds accept_pause{100};  ///< After accept4 failed for lack of descriptors or memory.
    /// The pause before a client whose head is still incomplete is looked at again: none after its first
    /// incomplete head, then drip_pause_min, doubled each time up to drip_pause_max.
    std::chrono::milliseconds drip_pause_min{1};
    std::chrono::milliseconds drip_pause_max{250};
    std::chrono::milliseconds stop_patience{1'000};  ///< At a stop, how long a client that has sent nothing
                                                     ///< yet may take to send its request.
    std::chrono::milliseconds stop_settle{200};      ///< At a stop, how long the backlog must stay empty: the
                                                     ///< handshakes begun before may still be completed.
};

}  // namespace bullpen
