/// Fork per client (UNP 30.5): the master accepts and forks a worker for each client, workers_max at a time.
/// For a datagram it forks a worker that receives it.
#include "pool/datagrams.hpp"
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model fork_per_client{
    .name = "fork",
    .summary = "the master accepts and forks a worker for each client",
    .delivery = Delivery::fork,
    .crash_takes = "its one client",
    .choose_when = "clients are few and stay long, or a handler must leave nothing behind",
    .work =
        [](WorkerProcess& process) {
            if (auto client = process.forked_for()) process.worker().serve(std::move(*client));
        },
    .work_datagrams = serve_one_datagram,
};

}  // namespace bullpen
