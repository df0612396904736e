/// What a pool is made from.
#pragma once

#include <chrono>
#include <cstddef>

#include "core/async_handler.hpp"
#include "core/handler.hpp"
#include "core/program.hpp"
#include "pool/model.hpp"
#include "pool/options.hpp"

namespace bullpen {

/// A user's options, what they name, and what tests change.
struct PoolOptions : Options {
    Model design;                          ///< The one that `model` names.
    Handler handler = [](Connection&) {};  ///< What designs of Form::blocking serve,
    AsyncHandler async_handler = {};       ///< those of Form::asynchronous,
    Program program = {};                  ///< and those of Form::program.

    std::chrono::milliseconds resize_interval{100};  ///< Between two steps of the growing ramp.
    std::chrono::milliseconds stuck_after{500};      ///< A worker that hasn't received what it was handed by
                                                     ///< then is stuck: others get it.
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
