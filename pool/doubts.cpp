#include "pool/doubts.hpp"

#include <algorithm>

#include "core/channel.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

Doubts::Doubts(const PoolOptions& options, const PoolShape& shape, const Scoreboard& scoreboard,
               Roster& roster, Workforce& workforce)
    : options_{options},
      shape_{shape},
      scoreboard_{scoreboard},
      roster_{roster},
      workforce_{workforce},
      doubts_(shape.slots) {}

void Doubts::ask(std::uint32_t slot, TimePoint now) noexcept {
    Doubt& doubt = doubts_[slot];
    doubt.answers = scoreboard_.row(slot).answers.load(relaxed) + 1;
    doubt.asked_at = now;
    doubt.answered_at = {};
    doubt.generation = workforce_.generation(slot);
    ++asked_;
    roster_.set_usable(slot, Usable::no);
    // What was taken back from the channel before may have been the order to retire.
    const bool leaves = roster_.draining().contains(slot);
    const MessageKind kind = leaves ? MessageKind::retire : MessageKind::answer;
    send_message(workforce_.channel(slot).master.get(), {.kind = kind, .generation = doubt.generation}, {});
}

bool Doubts::holds_what_it_was_given(std::uint32_t slot) const noexcept {
    const SlotAccount& account = roster_.account(slot);
    const std::uint64_t serves =
        scoreboard_.row(slot).begun.load(relaxed) - account.finished() - account.returned() - account.lost();
    return serves >= std::min(account.outstanding(), shape_.capacity);
}

/// Returns whether the answer has come since the last look. Of a dead worker none will.
bool Doubts::note_answer(std::uint32_t slot, TimePoint now) noexcept {
    Doubt& doubt = doubts_[slot];
    if (doubt.generation != workforce_.generation(slot) || workforce_.pid(slot) == 0) {
        settle(slot);
        return false;
    }
    if (doubt.answered_at != TimePoint{} ||
        scoreboard_.row(slot).answers.load(std::memory_order_seq_cst) != doubt.answers)
        return false;
    doubt.answered_at = now;
    return true;
}

void Doubts::settle_if_good(std::uint32_t slot) noexcept {
    if (roster_.account(slot).outstanding() > 0 && !holds_what_it_was_given(slot)) return;  // See judge().
    settle(slot);
    roster_.set_usable(slot, Usable::yes);
}

void Doubts::settle(std::uint32_t slot) noexcept {
    doubts_[slot].asked_at.reset();
    --asked_;
}

void Doubts::judge(TimePoint now) noexcept {
    for (std::uint32_t slot = 0; asked_ > 0 && slot < shape_.slots; ++slot)
        if (is_asked(slot)) judge(slot, now);
}

/// A worker receives in order, so when it answers it has begun with all connections received before the
/// question; and an idle worker that isn't stopped answers at once. Otherwise another process has received
/// what was meant for it.
void Doubts::judge(std::uint32_t slot, TimePoint now) noexcept {
    const Doubt& doubt = doubts_[slot];
    const bool answered = doubt.answered_at != TimePoint{};
    if (roster_.account(slot).outstanding() > 0 && holds_what_it_was_given(slot)) {
        if (!answered) return;  // Busy; it answers when it has finished.
        settle(slot);
        roster_.set_usable(slot, Usable::yes);
        return;
    }
    if (workforce_.is_stopped(slot)) return;  // Workforce::end_stopped() ends it.
    const bool robbed = answered ? now - doubt.answered_at >= options_.stuck_after / 2
                                 : now - *doubt.asked_at >= options_.stopped_timeout;
    if (!robbed) return;
    settle(slot);
    workforce_.replace_in_order(slot, "another process has taken from its channel", now);
}

void Doubts::forgive(std::chrono::nanoseconds gap) noexcept {
    for (Doubt& doubt : doubts_)
        if (doubt.asked_at) *doubt.asked_at += gap;
}

}  // namespace bullpen
