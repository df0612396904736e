/// Names of hosts and services, as the name service knows them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <bullpen/address.hpp>

namespace bullpen {

struct LookedUp {
    bool overdue = false;                 ///< There was no answer in time.
    int error = 0;                        ///< Of getaddrinfo(3).
    std::vector<Address> addresses = {};  ///< To bind a socket to; none if there was an error.
};

/// Asks getaddrinfo(3) for a socket of this type (SOCK_STREAM, SOCK_DGRAM); for a name in a process of its
/// own, because nothing else ends that call, which may wait for a name server for minutes. Throws
/// std::system_error if a process can't be started, and StoppedAtStart if the server is told to stop
/// meanwhile.
LookedUp look_up(const std::string& host, const std::string& port, int type,
                 std::chrono::milliseconds patience);

}  // namespace bullpen
