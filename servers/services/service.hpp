/// The services that the bullpen program can serve.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/async_handler.hpp"
#include "core/handler.hpp"
#include "core/program.hpp"

namespace bullpen {

struct ServiceOptions {
    std::string root = ".";              ///< http: the directory whose files are served.
    int file_cache = 0;                  ///< http: seconds for which an opened file is kept; 0: not at all.
    std::vector<std::string> program{};  ///< exec: what is executed for each client, and its arguments.
};

/// A service in the forms that the models need; null where it lacks one. Each checks the options and makes
/// its form; runs in the master, before anything is forked. Throws std::system_error or
/// std::invalid_argument, one sentence. Handlers may be called by several threads at once.
struct Service {
    std::string_view name;
    std::string_view summary;  ///< One line for the help.
    Handler (*make)(const ServiceOptions& options) = nullptr;
    AsyncHandler (*make_async)(const ServiceOptions& options) = nullptr;
    Program (*make_program)(const ServiceOptions& options) = nullptr;
    bool client_speaks_first = false;  ///< A worker has nothing to do for a client that says nothing.
    std::string_view refusal = {};     ///< What a client is told that there is no room for.
};

const std::vector<Service>& services();

Handler make_echo(const ServiceOptions& options);
Handler make_http(const ServiceOptions& options);
Handler make_work(const ServiceOptions& options);
AsyncHandler make_async_echo(const ServiceOptions& options);
AsyncHandler make_async_http(const ServiceOptions& options);
AsyncHandler make_async_work(const ServiceOptions& options);
Program make_echo_program(const ServiceOptions& options);
Program make_http_program(const ServiceOptions& options);
Program make_work_program(const ServiceOptions& options);
Program make_exec_program(const ServiceOptions& options);

}  // namespace bullpen
