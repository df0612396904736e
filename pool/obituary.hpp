/// The obituary: what the log says of a process of workers that has died.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "pool/scoreboard.hpp"

namespace bullpen {

/// What a worker was busy with, as far as the master knows.
struct Work {
    std::string client = {};   ///< Its address; empty where the workers accept.
    std::string request = {};  ///< Its first line, if the handler has named it.
    std::chrono::nanoseconds age{};
};

struct Obituary {
    std::string worker;  ///< "pool web: worker 3 (pid 812)"
    int status = 0;      ///< As waitpid(2) gave it.
    ExitReason reason = ExitReason::exited;
    std::string why = {};  ///< What the worker itself has said, if it didn't start.
    std::vector<Work> work = {};
    std::uint64_t lost = 0;         ///< The number of connections lost.
    std::uint64_t given_again = 0;  ///< The number of connections that go on with another worker.

    /// "pool web: worker 3 (pid 812) was killed by signal 11 (Segmentation fault), which the master didn't
    /// send; it had the request "GET /a" of client 192.0.2.7:4711, 0.2 s old; connections lost: 1"
    [[nodiscard]] std::string text() const;
};

}  // namespace bullpen
