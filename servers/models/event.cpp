/// Event loop (TLPI 63, the single process of nginx's kind): one process, one thread, a coroutine a client.
#include "pool/event_loop.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model event{
    .name = "event",
    .summary = "one process accepts and serves many at once, on an event loop",
    .delivery = Delivery::accept,
    .form = Form::asynchronous,
    .workers_fixed = 1,
    .multiplexes = true,
    .crash_takes = "all clients of the process",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "clients are many and mostly idle, and no handler blocks or computes for long",
    .work =
        [](WorkerProcess& process) {
            EventLoop loop{process};
            loop.accept_clients();
            loop.run();
        },
};

}  // namespace bullpen
