/// Prefork with a shared accept (UNP 30.6): the workers block in accept on the listener they share.
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prefork_accept{
    .name = "prefork-accept",
    .summary = "the workers block in accept on the listener they share",
    .delivery = Delivery::accept,
    .crash_takes = "the worker's one client, or unseen one that was just accepted",
    .choose_when = "a connection's cost counts most and nobody has to say who gets the next client",
    .work =
        [](WorkerProcess& process) {
            Worker& worker = process.worker();
            worker.ready();
            while (auto client = worker.next_accepted())
                worker.serve(std::move(*client));
        },
};

}  // namespace bullpen
