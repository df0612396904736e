/// A running server, as a command names it.
#pragma once

#include <string>
#include <string_view>

#include "servers/control_socket.hpp"

namespace bullpen {

struct ServerName {
    std::string name = "default";
    std::string directory = "auto";  ///< Of control sockets, see control_address().
};

/// Connects to its control socket. Throws, with the command's name in front of the sentence,
/// std::runtime_error if no such server answers and std::invalid_argument if the name or directory is none or
/// the server is another user's.
ControlClient reach(std::string_view command, const ServerName& server);

}  // namespace bullpen
