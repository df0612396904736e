/// What a pool is made from.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <bullpen/async_handler.hpp>
#include <bullpen/datagram_handler.hpp>
#include <bullpen/handler.hpp>
#include <bullpen/options.hpp>
#include <bullpen/per_worker.hpp>
#include <bullpen/program.hpp>
#include "core/program_starter.hpp"
#include "core/run_as.hpp"
#include "pool/model.hpp"

namespace bullpen {

/// The value of a setting, as text.
struct SettingText {
    std::string key;
    std::string text;
    bool operator==(const SettingText&) const = default;
};

/// A user's options, the model and the handler that they are for, and times that only tests change.
struct PoolOptions : Options {
    Model design;                                      ///< The one that `model` names.
    PerWorker<Handler> handler = [](Connection&) {};   ///< Served by models of Form::blocking.
    PerWorker<AsyncHandler> async_handler = {};        ///< Served by models of Form::asynchronous.
    Program program = {};                              ///< Served by models of Form::program.
    ProgramSetting program_setting = {};               ///< The same; not for Delivery::fork.
    PerWorker<DatagramHandler> datagram_handler = {};  ///< Served by models of Form::datagram.
    std::optional<RunAs> run_as = {};                  ///< Whom the workers run as; nothing: as the master.
    int starts_a_minute = 0;  ///< The most clients that are taken in a minute; 0: any number.

    // For reloads.
    std::vector<SettingText> of_workers = {};  ///< What workers are started with.
    std::vector<SettingText> of_pool = {};     ///< What can't change in a pool that is there.
    int reserve = 0;       ///< Processes beyond workers_max: new ones while those before them leave.
    int workers_most = 0;  ///< For reloads that raise workers_max: there is room for so many workers.
    std::chrono::milliseconds renewal_timeout{30'000};  ///< For the next new worker to become ready.

    std::chrono::milliseconds resize_interval{100};  ///< Between two steps of the growing ramp.
    std::chrono::milliseconds stuck_after{500};  ///< A worker that hasn't received a connection within this
                                                 ///< time is stuck: others get its connections.
    std::chrono::milliseconds steal_after{1};    ///< A connection queued ahead longer goes to an idle worker.
    std::chrono::milliseconds stalled_after{
        20};  ///< If none is idle, one queued ahead at a worker that hasn't
              ///< moved for longer goes to whichever has room first.
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
