/// The client's half of the service priority: how its second connection comes about.
#pragma once

#include <chrono>

#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Of a connected TCP socket to a server of the service priority: listens on a port that the kernel chooses,
/// says so, and returns the connection that the server makes to it. Whoever else connects there and doesn't
/// know the cookie is closed. Throws std::invalid_argument if `server` isn't TCP, std::runtime_error if the
/// server refuses or `at_most` is over, std::system_error.
UniqueFd accept_priority_connection(int server, std::chrono::milliseconds at_most);

}  // namespace bullpen
