/// A model with a service: what one server of a comparison is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "pool/model.hpp"
#include "servers/cli/comparison.hpp"
#include "servers/cli/measured_server.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

struct Contender {
    std::string name;     ///< The model's, in tables and files.
    std::string service;  ///< The service's name.
    MeasuredServerOptions server;
    bool process_per_connection = false;  ///< Or a thread.
};

/// Pools have `workers` workers; models that make one for each client may have as many as `concurrency`
/// needs. LeftOut if the service has no form that the model runs. Throws what making the handler does.
std::variant<Contender, LeftOut> make_contender(const Model& model, const Service& service,
                                                const ServiceOptions& options, int workers, int concurrency);

}  // namespace bullpen
