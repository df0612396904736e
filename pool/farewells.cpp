#include "pool/farewells.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "core/lingering.hpp"

namespace bullpen {
namespace {

/// Between two looks: the first, doubled each time that nothing has come, up to the second.
constexpr std::chrono::milliseconds pause_min{10};
constexpr std::chrono::milliseconds pause_max{160};

}  // namespace

void Farewells::add(UniqueFd socket) noexcept {
    if (size() == most) close_oldest();
    pause_ = pause_min;
    look_again_ = {};
    try {
        all_.push_back({.socket = std::move(socket)});
    } catch (const std::bad_alloc&) {  // Then it is closed at once.
    }
}

void Farewells::attend(TimePoint now, const TimeLimits& limits, bool stopping) noexcept {
    if (empty() || look_again_ == TimePoint{} || now < look_again_) return;
    pause_ = std::min(pause_ * 2, pause_max);
    std::erase_if(all_, [&](Farewell& one) { return is_over(one, now, limits, stopping); });
    look_again_ = now + pause_;
}

bool Farewells::is_over(Farewell& one, TimePoint now, const TimeLimits& limits, bool stopping) noexcept {
    constexpr int pieces_max = 16;  // Then it is another client's turn.
    if (one.begun == TimePoint{}) one.begun = one.heard = now;
    for (int i = 0; i < pieces_max; ++i) {
        const Discarded discarded = discard_input(one.socket.get());
        if (discarded == Discarded::end) return true;
        if (discarded == Discarded::nothing) break;
        one.heard = now;
        pause_ = pause_min;
    }
    return now >= linger_until(one.begun, one.heard, limits, stopping);
}

TimePoint Farewells::prepare_to_wait(TimePoint now) noexcept {
    if (empty()) return TimePoint::max();
    if (look_again_ == TimePoint{}) look_again_ = now + pause_;
    return look_again_;
}

void Farewells::close_oldest() noexcept {
    if (!empty()) all_.pop_front();
}

}  // namespace bullpen
