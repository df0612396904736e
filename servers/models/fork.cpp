/// Fork per client (UNP 30.5): the master accepts and forks a worker for each client, workers_max at a time.
#include "pool/worker.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model fork_per_client{
    .name = "fork",
    .summary = "the master accepts and forks a worker for each client",
    .delivery = Delivery::fork,
    .work =
        [](Worker& worker) {
            if (auto client = worker.forked_for()) worker.serve(std::move(*client));
        },
};

}  // namespace bullpen
