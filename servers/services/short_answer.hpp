/// Services that send each client one text and end the connection, whatever the client says.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "servers/services/service.hpp"

namespace bullpen {

/// Makes the text for one client. Called in the worker, by several threads at once.
using ShortAnswer = std::function<std::string()>;

/// Such a service in all three forms. `make` is called as Service::make is, and throws what that may throw.
Service short_answer_service(std::string_view name, std::string_view summary,
                             std::function<ShortAnswer(const ServiceOptions& options)> make);

/// The same of a service without options.
Service short_answer_service(std::string_view name, std::string_view summary, ShortAnswer answer);

}  // namespace bullpen
