/// Select loop (UNP 6.8, TLPI 63.2): one process and thread; an fd_set says which clients it watches.
#include "pool/readiness_loop.hpp"
#include "pool/select_source.hpp"
#include "servers/models/models.hpp"

namespace bullpen {

const Model select_loop{
    .name = "select",
    .summary = "one process serves many in turns, ready ones found by select(2)",
    .delivery = Delivery::accept,
    .workers_fixed = 1,
    .multiplexes = true,
    .capacity_most = SelectSource::connections_most,
    .crash_takes = "all clients of the process",
    .crash_hides = "a client accepted an instant before",
    .choose_when = "clients are few, or to show select's limit of 1,023 and its costs",
    .work = serve_in_turns<SelectSource>,
};

}  // namespace bullpen
