/// The services that the bullpen program can serve.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <bullpen/async_handler.hpp>
#include <bullpen/handler.hpp>
#include <bullpen/program.hpp>
#include "servers/services/added_header.hpp"
#include "servers/services/content_coding.hpp"
#include "servers/services/error_page.hpp"
#include "servers/services/links.hpp"
#include "servers/services/media_type.hpp"

namespace bullpen {

struct ServiceOptions {
    // http:
    std::string root = ".";                       ///< The directory whose files are served.
    int file_cache = 0;                           ///< Seconds for which a kept file is trusted; 0: never.
    http::Links links = http::Links::below;       ///< Which symlinks below the root are followed.
    http::Charset charset{};                      ///< Of text but HTML, XML and JSON.
    std::string types{};                          ///< A file of media types in the form of mime.types.
    std::vector<http::AddedHeader> add_header{};  ///< For answers with a status below 400.
    std::vector<http::ErrorPage> error_page{};
    std::string fallback{};                ///< A file below the root, served where nothing is found.
    http::ContentCodings precompressed{};  ///< Of files that lie beside a file, the best first.

    std::string quotes{};  ///< qotd: a file of quotes in the form of fortune(6).
    // remote-command:
    std::string command_user{};          ///< Whom commands run as; empty: as the server, if that isn't root.
    std::string command_shell = "off";   ///< What reads the command; off: nobody, its words are executed.
    int command_timeout = 60;            ///< Seconds, of time and of CPU time.
    int command_output = 1024;           ///< KiB.
    int command_memory = 512;            ///< MiB of address space for each process.
    std::vector<std::string> program{};  ///< exec: the program for each client, and its arguments.
};

/// What is sent back for a datagram; empty: nothing. Called in the worker.
using DatagramAnswer = std::function<std::string(std::string_view question)>;

/// A service, with a function for each form that a model may need; null if it lacks the form. Each function
/// checks the options and makes the form, in the master before any fork. It throws std::system_error or
/// std::invalid_argument with one sentence. Several threads may call the handler that it makes at once.
struct Service {
    std::string_view name;
    std::string_view summary;  ///< One line for the help.
    std::function<Handler(const ServiceOptions& options)> make = nullptr;
    /// In place of `make` where that would keep others waiting, for models that serve clients in turns.
    std::function<Handler(const ServiceOptions& options)> make_in_turns = nullptr;
    std::function<AsyncHandler(const ServiceOptions& options)> make_async = nullptr;
    std::function<Program(const ServiceOptions& options)> make_program = nullptr;
    std::function<DatagramAnswer(const ServiceOptions& options)> make_datagram = nullptr;
    bool client_speaks_first = false;  ///< A worker is needed only once the client has sent something.
    std::string_view refusal = {};     ///< The bytes that are sent to a client refused for overload.
    bool parks_files = false;          ///< See Options.
    int retry_crashed = 0;             ///< See Options.
};

const std::vector<Service>& services();

Handler make_echo(const ServiceOptions& options);
Handler make_echo_in_turns(const ServiceOptions& options);
Handler make_http(const ServiceOptions& options);
Handler make_work(const ServiceOptions& options);
AsyncHandler make_async_echo(const ServiceOptions& options);
AsyncHandler make_async_http(const ServiceOptions& options);
AsyncHandler make_async_work(const ServiceOptions& options);
Program make_echo_program(const ServiceOptions& options);
DatagramAnswer make_echo_datagram(const ServiceOptions& options);
Program make_http_program(const ServiceOptions& options);
Program make_work_program(const ServiceOptions& options);
Program make_exec_program(const ServiceOptions& options);

// The small services.
Service daytime_service();
Service time_service();
Service qotd_service();
Service discard_service();
Service chargen_service();
Service sequence_number_service();
Service uptime_service();
Service process_count_service();
Service remote_command_service();
Service priority_service();

}  // namespace bullpen
