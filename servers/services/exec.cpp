/// exec: a program for each client, with the connection as its standard descriptors (inetd).
#include <stdexcept>

#include "servers/services/program_path.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

Program make_exec_program(const ServiceOptions& options) {
    if (options.program.empty() || options.program.front().empty())
        throw std::invalid_argument{"exec needs a program, as in: exec -- /bin/cat -u"};
    Program program{.argv = options.program};
    try {
        program.argv.front() = program_path(program.argv.front(), path_variable());
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument{std::string{"exec: "} + error.what()};
    }
    return program;
}

}  // namespace bullpen
