/// Poll loop (UNP 6.11, TLPI 63.2.2): one process and thread; an array says which clients it watches.
#include "pool/poll_source.hpp"
#include "pool/readiness_loop.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model poll_loop{
    .name = "poll",
    .summary = "one process serves many in turns, ready ones found by poll(2)",
    .delivery = Delivery::accept,
    .workers_fixed = 1,
    .multiplexes = true,
    .crash_takes = "all clients of the process",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "clients are some hundreds, and most of them speak all the time",
    .work = serve_in_turns<PollSource>,
};

}  // namespace bullpen
