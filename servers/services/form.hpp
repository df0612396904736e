/// Which form of a service a model runs.
#pragma once

#include <string>

#include "pool/pool_options.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

/// Whether the service has the form that the model runs.
bool has_form(const Service& service, Form form) noexcept;

/// Makes the form that pool.model runs. Returns one sentence if the service lacks it, else nothing. Throws
/// what the making throws.
std::string set_form(PoolOptions& pool, const Service& service, const ServiceOptions& options);

}  // namespace bullpen
