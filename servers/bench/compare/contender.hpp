/// A model with a service: what one server of a comparison is.
#pragma once

#include <string>
#include <variant>

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/design.hpp"
#include "servers/bench/compare/measured_server.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

struct Contender {
    std::string name;     ///< The design's, in tables and files.
    std::string service;  ///< The service's.
    Workload workload;    ///< What its clients do.
    MeasuredServerOptions server;
    bool worker_per_client = false;
};

/// Listens for the workload's transport, which isn't "all". Pools have `workers` workers; those that make one
/// for each client may have as many as its clients at a time need. A worker that serves many at once has room
/// for its idle connections, too. LeftOut if the service has no form that the model runs, or the model has no
/// such room or serves no datagrams. Throws what making the handler does.
std::variant<Contender, LeftOut> make_contender(const Design& design, const Service& service,
                                                const ServiceOptions& options, int workers, int threads,
                                                const Workload& workload);

}  // namespace bullpen
