/// Iterative (UNP 30.4): one process accepts a client, serves it to its end, and accepts the next.
#include "pool/datagrams.hpp"
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model iterative{
    .name = "iterative",
    .summary = "one worker accepts and serves, one client after the other",
    .delivery = Delivery::accept,
    .workers_fixed = 1,
    .crash_takes = "its one client",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "answers take microseconds, or as the base line of a comparison",
    .work = accept_and_serve,
    .work_datagrams = serve_datagrams,
};

}  // namespace bullpen
