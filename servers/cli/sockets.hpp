/// `bullpen sockets`: what ss(8) shows, of a running server's sockets, and which part of the server has each.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "servers/cli/served_sockets.hpp"

namespace CLI {
class App;
}

namespace bullpen {

struct SocketsArguments {
    ServerName server{};
    std::vector<std::string> states{};  ///< Show these alone; none: all.
    std::string pool{};                 ///< Show this one's alone; empty: all.
    bool details = false;
    bool json = false;
    double watch_s = 0;  ///< Show them again after so many seconds, until a signal comes; 0: once.
};

void declare_sockets(CLI::App& program, SocketsArguments& arguments, std::function<int()>& chosen);

/// Returns the exit status. Throws std::invalid_argument if a state or a pool is unknown, or the server is
/// another user's, and std::runtime_error if it can't be reached.
int run_sockets(const SocketsArguments& arguments);

/// The sockets for a terminal of 80 columns, with their number by state in the last line.
std::string describe_sockets(const std::vector<ServedSocket>& sockets, bool details);

/// A line of JSON: an array with an object for each socket.
std::string sockets_json(const std::vector<ServedSocket>& sockets);

}  // namespace bullpen
