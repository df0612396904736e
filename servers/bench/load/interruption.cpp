#include "servers/bench/load/interruption.hpp"

#include <cstddef>

namespace bullpen {
namespace {

volatile sig_atomic_t has_come = 0;

void note(int) {
    has_come = 1;
}

}  // namespace

Interruption::Interruption() noexcept {
    has_come = 0;
    struct sigaction action {};
    action.sa_handler = note;  // Without SA_RESTART.
    for (std::size_t i = 0; i < signals.size(); ++i) {
        ::sigaction(signals[i], nullptr, &before_[i]);
        const bool nohup = signals[i] == SIGHUP && before_[i].sa_handler == SIG_IGN;
        if (!nohup) ::sigaction(signals[i], &action, nullptr);
    }
}

Interruption::~Interruption() {
    for (std::size_t i = 0; i < signals.size(); ++i)
        ::sigaction(signals[i], &before_[i], nullptr);
}

bool Interruption::came() const noexcept {
    return has_come != 0;
}

}  // namespace bullpen
