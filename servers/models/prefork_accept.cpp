/// Prefork with a shared accept (UNP 30.6): the workers block in accept on the listener they share.
#include "pool/datagrams.hpp"
#include "pool/worker_process.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model prefork_accept{
    .name = "prefork-accept",
    .summary = "the workers block in accept on the listener they share",
    .delivery = Delivery::accept,
    .crash_takes = "its one client",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "the CPU time of a connection counts most, and any free worker may take it",
    .work = accept_and_serve,
    .work_datagrams = serve_datagrams,
};

}  // namespace bullpen
