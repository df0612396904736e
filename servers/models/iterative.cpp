/// Iterative (UNP 30.4): one process accepts a client, serves it to its end, and accepts the next.
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model iterative{
    .name = "iterative",
    .summary = "one worker accepts and serves, one client after the other",
    .delivery = Delivery::accept,
    .workers_fixed = 1,
    .crash_takes = "the one client, or unseen one that was just accepted; the others wait for a new worker",
    .choose_when = "every answer takes microseconds, or as the base line of a comparison",
    .work =
        [](WorkerProcess& process) {
            Worker& worker = process.worker();
            worker.ready();
            while (auto client = worker.next_accepted())
                worker.serve(std::move(*client));
        },
};

}  // namespace bullpen
