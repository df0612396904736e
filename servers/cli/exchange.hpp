/// Both directions of a connection at once: input to a server, and what it says to an output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace bullpen {

/// Descriptors, all borrowed.
struct ExchangeEnds {
    int input = -1;   ///< Read to its end, after `first`; -1: there is none.
    int server = -1;  ///< A connected socket.
    int output = -1;
    std::string first = {};  ///< What the server gets before the input.

    // A second connection to the same server, whose texts pass by the input:
    int priority = -1;
    int priority_output = -1;         ///< Gets what comes from there.
    std::string priority_first = {};  ///< Sent once some of the input has been, or all if there is none.
};

struct ExchangeProgress {
    std::uint64_t sent = 0;      ///< Bytes that the server has taken.
    std::uint64_t received = 0;  ///< Bytes that came from it.
};

/// Sends and receives until the server has ended its side, of both connections; ends ours once the input is
/// over. Neither waits for the other, so that two ends that both send first can't block each other for ever
/// (TLPI, exercise 61-1), and of each direction at most 256 KiB are held. `filter` turns a piece of what came
/// into what is written; `report` is called at most every 100 ms. A server that has stopped reading (EPIPE)
/// ends our side. Throws std::system_error, one sentence.
ExchangeProgress exchange(const ExchangeEnds& ends,
                          const std::function<std::string(std::string_view piece)>& filter,
                          const std::function<void(const ExchangeProgress&)>& report = {});

}  // namespace bullpen
