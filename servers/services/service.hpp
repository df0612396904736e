/// The services that the bullpen program can serve.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/handler.hpp"

namespace bullpen {

struct ServiceOptions {
    std::string root = ".";  ///< http: the directory whose files are served.
};

struct Service {
    std::string_view name;
    std::string_view summary;  ///< One line for the help.
    /// Checks the options and makes the handler; runs in the master, before anything is forked. Throws
    /// std::system_error or std::invalid_argument, one sentence.
    Handler (*make)(const ServiceOptions& options);
};

const std::vector<Service>& services();

Handler make_echo(const ServiceOptions& options);
Handler make_http(const ServiceOptions& options);

}  // namespace bullpen
