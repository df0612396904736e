/// Prefork with a lock around accept (UNP 30.7 and 30.8): one worker at a time waits for a client. Old
/// kernels woke all workers that blocked in accept, and needed the lock; today's wake one, so that the model
/// is there to measure the lock's cost.
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {
namespace {

std::optional<Client> next_in_turn(WorkerProcess& process) {
    const AcceptLock::Turn turn = process.take_turn();
    if (!turn) return {};
    return process.worker().next_accepted();
}

}  // namespace

const Model prefork_lock{
    .name = "prefork-lock",
    .summary = "as prefork-accept, but the workers take turns at accept by a lock",
    .delivery = Delivery::accept,
    .locks_accept = true,
    .crash_takes = "its one client; a dead owner's lock is free again",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "comparing with old kernels and old servers; else prefork-accept",
    .work =
        [](WorkerProcess& process) {
            process.worker().ready();
            while (auto client = next_in_turn(process))
                process.worker().serve(std::move(*client));
        },
};

}  // namespace bullpen
