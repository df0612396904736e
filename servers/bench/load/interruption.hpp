/// Ctrl-C, SIGTERM and a lost terminal, noticed instead of fatal while an object of this class lives.
#pragma once

#include <signal.h>

#include <array>

namespace bullpen {

/// One at a time in a process, in its only thread. Blocking calls end with EINTR.
class Interruption {
public:
    Interruption() noexcept;
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    [[nodiscard]] bool came() const noexcept;

private:
    static constexpr std::array signals = {SIGINT, SIGTERM, SIGHUP};
    std::array<struct sigaction, signals.size()> before_{};
};

/// What a shell reports of a program that Ctrl-C has ended.
constexpr int exit_interrupted = 130;

}  // namespace bullpen
