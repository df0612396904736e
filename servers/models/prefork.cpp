/// Prefork with descriptor passing (UNP 30.9): the master accepts and hands each client to an idle worker.
#include "pool/worker.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prefork{
    .name = "prefork",
    .summary = "the master accepts and hands each client to an idle worker",
    .delivery = Delivery::handoff,
    .work =
        [](Worker& worker) {
            worker.ready();
            while (auto client = worker.next_handed_off())
                worker.serve(std::move(*client));
        },
};

}  // namespace bullpen
