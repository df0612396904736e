/// Prefork with SO_REUSEPORT (socket(7), Linux 3.9): every worker has a listener of its own, and the kernel
/// deals the clients out by a hash of their addresses.
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prefork_reuseport{
    .name = "prefork-reuseport",
    .summary = "the kernel deals clients out to workers, each with its own listener",
    .delivery = Delivery::accept,
    .own_listeners = true,
    .crash_takes =
        "the worker's one client, or unseen one that was just accepted; those in its backlog wait for the "
        "next worker",
    .choose_when = "answers are all quick and alike: a client waits for its worker though others idle",
    .work =
        [](WorkerProcess& process) {
            Worker& worker = process.worker();
            worker.ready();
            while (auto client = worker.next_accepted())
                worker.serve(std::move(*client));
        },
};

}  // namespace bullpen
