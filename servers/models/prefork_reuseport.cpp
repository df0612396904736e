/// Prefork with SO_REUSEPORT (socket(7), Linux 3.9): every worker has a listener of its own, and the kernel
/// deals the clients out by a hash of their addresses.
#include "pool/datagrams.hpp"
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prefork_reuseport{
    .name = "prefork-reuseport",
    .summary = "the kernel deals clients out to workers, each with its own listener",
    .delivery = Delivery::accept,
    .own_listeners = true,
    .crash_takes = "its one client; those in its backlog wait for its successor",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "answers are all quick and alike: a client waits for its worker though others idle",
    .work = accept_and_serve,
    .work_datagrams = serve_datagrams,
};

}  // namespace bullpen
