/// Epoll loop (TLPI 63.4): one process and thread; the kernel keeps the list of clients that it watches.
#include "pool/epoll_source.hpp"
#include "pool/readiness_loop.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model epoll_loop{
    .name = "epoll",
    .summary = "one process serves many in turns, ready ones found by epoll(7)",
    .delivery = Delivery::accept,
    .workers_fixed = 1,
    .multiplexes = true,
    .crash_takes = "all clients of the process",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "clients are many and mostly idle, and handlers park instead of waiting",
    .work = serve_in_turns<EpollSource>,
};

}  // namespace bullpen
