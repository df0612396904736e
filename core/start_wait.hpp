/// The waits of a server's start: each ends at its deadline, and as soon as the server is told to stop.
#pragma once

#include <chrono>
#include <stdexcept>

#include <bullpen/clock.hpp>

namespace bullpen {

/// The server was told to stop before it was ready.
class StoppedAtStart : public std::runtime_error {
public:
    StoppedAtStart() : runtime_error{"told to stop before it was ready"} {}
};

// During its start a server blocks the signals that stop it, so that nothing half-made is left behind (see
// Keeper::hold_signals). These functions look for a blocked SIGTERM, SIGINT or SIGQUIT, and throw
// StoppedAtStart when one comes or has come; it stays pending. A signal that isn't blocked does what it does.
// They throw std::system_error if the kernel is out of descriptors.

/// Waits until `fd` (borrowed) has input or its end. Returns false if it hasn't by the deadline.
[[nodiscard]] bool await_input(int fd, TimePoint deadline);

/// Lets that time pass.
void pause_start(std::chrono::milliseconds time);

}  // namespace bullpen
