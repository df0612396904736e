#include "servers/services/service.hpp"

#include <string>

#include "core/http/status_page.hpp"

namespace bullpen {

const std::vector<Service>& services() {
    static const std::string overload = http::undated_answer(http::Status::unavailable);
    static const std::vector<Service> table{
        {.name = "http",
         .summary = "the files below --root, for browsers",
         .make = make_http,
         .make_async = make_async_http,
         .make_program = make_http_program,
         .client_speaks_first = true,
         .refusal = overload,
         .parks_files = true,
         .retry_crashed = 1},
        {.name = "echo",
         .summary = "sends everything back (RFC 862)",
         .make = make_echo,
         .make_in_turns = make_echo_in_turns,
         .make_async = make_async_echo,
         .make_program = make_echo_program,
         .make_datagram = make_echo_datagram},
        {.name = "work",
         .summary = "HTTP answers to measure: /bytes/N, /file/N, /cpu/US, /sleep/MS",
         .make = make_work,
         .make_async = make_async_work,
         .make_program = make_work_program,
         .client_speaks_first = true,
         .refusal = overload,
         .parks_files = true},
        {.name = "exec",
         .summary = "a program for each client: exec -- PROGRAM ARG…",
         .make_program = make_exec_program},
        daytime_service(),
        time_service(),
        qotd_service(),
        discard_service(),
        chargen_service(),
        sequence_number_service(),
        uptime_service(),
        process_count_service(),
        remote_command_service(),
        priority_service(),
    };
    return table;
}

}  // namespace bullpen
