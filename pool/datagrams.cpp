#include "pool/datagrams.hpp"

#include <memory>

#include <bullpen/clock.hpp>
#include "core/datagram.hpp"
#include "core/thread.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {
namespace {

void serve(Worker& worker, const DatagramHandler& handler, Datagram& datagram) noexcept {
    const std::uint64_t begun_ns = worker.begin(Client{.since_ns = monotonic_ns()});
    bool failed = false;
    try {
        handler(datagram);
    } catch (...) {
        failed = handler_failed();
    }
    worker.end_without_connection(begun_ns, !failed, {});
}

/// Serves what lies in the sockets, in turns, so that a busy one doesn't keep the others waiting. Returns
/// whether there was any.
bool serve_what_came(WorkerProcess& process, Datagram& datagram) {
    constexpr int at_a_turn = 16;
    bool any = false;
    for (const Listener& listener : process.seat().listeners)
        for (int i = 0; i < at_a_turn && datagram.receive(listener.fd()); ++i) {
            any = true;
            serve(process.worker(), process.options().datagram_handler, datagram);
        }
    return any;
}

}  // namespace

void serve_datagrams(WorkerProcess& process) {
    for (const Listener& listener : process.seat().listeners)
        tell_destinations(listener.fd());
    const auto datagram = std::make_unique<Datagram>();
    process.worker().ready();
    while (process.leave() != Leave::now) {
        if (serve_what_came(process, *datagram)) continue;
        if (process.leave() != Leave::no) return;
        const BlockedOrders orders;
        if (process.leave() == Leave::no) (void)process.idle_wait().wait(orders);
    }
}

}  // namespace bullpen
