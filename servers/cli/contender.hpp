/// A model with a service: what one server of a comparison is.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pool/accept_lock.hpp"
#include "pool/model.hpp"
#include "servers/cli/comparison.hpp"
#include "servers/cli/measured_server.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

/// A model, or one of its variants with a name of its own.
struct Design {
    std::string name;
    std::string summary;      ///< A clause.
    std::string choose_when;  ///< A clause.
    Model model;
    bool threaded = false;  ///< Its processes have several workers each.
    AcceptLockKind accept_lock = AcceptLockKind::mutex;
    bool unasked = true;  ///< Compared also when nobody names it.
};

/// In the order in which they are shown.
const std::vector<Design>& designs();

struct Contender {
    std::string name;     ///< The design's, in tables and files.
    std::string service;  ///< The service's.
    MeasuredServerOptions server;
    bool worker_per_client = false;
};

/// Pools have `workers` workers; those that make one for each client may have as many as `concurrency` needs.
/// LeftOut if the service has no form that the model runs. Throws what making the handler does.
std::variant<Contender, LeftOut> make_contender(const Design& design, const Service& service,
                                                const ServiceOptions& options, int workers, int threads,
                                                int concurrency);

}  // namespace bullpen
