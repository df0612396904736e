/// Signal-driven loop (UNP 25, TLPI 63.3): one process and thread; a real-time signal tells of each change.
#include "pool/readiness_loop.hpp"
#include "pool/signal_source.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model signal_loop{
    .name = "signal",
    .summary = "one process serves many in turns, told of ready ones by signals",
    .delivery = Delivery::accept,
    .workers_fixed = 1,
    .multiplexes = true,
    .crash_takes = "all clients of the process",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "comparing with epoll, which costs as little for idle clients",
    .work = serve_in_turns<SignalSource>,
};

}  // namespace bullpen
