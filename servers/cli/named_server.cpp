#include "servers/cli/named_server.hpp"

#include <optional>
#include <stdexcept>
#include <system_error>

namespace bullpen {

ControlClient reach(std::string_view command, const ServerName& server) {
    const std::string prefix = std::string{command} + ": ";
    const std::optional<Address> address = control_address(server.directory, server.name);
    if (!address)
        throw std::invalid_argument{
            prefix +
            "XDG_RUNTIME_DIR isn't set; --control DIR says where the server's control "
            "socket is"};
    try {
        return ControlClient{*address};
    } catch (const std::system_error& error) {
        throw std::runtime_error{prefix + "no server '" + server.name + "' can be reached at " +
                                 error.what()};
    }
}

}  // namespace bullpen
