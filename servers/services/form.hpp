/// Forms: gives a pool the form of its service (Handler, AsyncHandler or Program) that its model runs.
#pragma once

#include <string>

#include "pool/pool_options.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

/// Whether the service has the form that the model runs.
bool has_form(const Service& service, Form form) noexcept;

/// Makes the form that pool.model runs and puts it into `pool`. Returns one sentence if the service lacks it,
/// else an empty string. Throws what Service::make and its siblings throw.
std::string set_form(PoolOptions& pool, const Service& service, const ServiceOptions& options);

}  // namespace bullpen
