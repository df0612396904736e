/// Preforked event loops with descriptor passing: the master hands each client to the worker that has fewest;
/// a worker serves up to `capacity` clients at once.
#include "pool/event_loop.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prefork_event{
    .name = "prefork-event",
    .summary = "the master hands clients to the least loaded of several event loops",
    .delivery = Delivery::handoff,
    .form = Form::asynchronous,
    .multiplexes = true,
    .crash_takes = "all clients of that worker",
    .choose_when = "clients are many and mostly idle, and one loop is not enough or too much to lose",
    .work =
        [](WorkerProcess& process) {
            EventLoop loop{process};
            loop.receive_clients();
            loop.run();
        },
};

}  // namespace bullpen
