#include "pool/recalls.hpp"

#include <algorithm>

#include "core/channel.hpp"

namespace bullpen {

Recalls::Recalls(const PoolOptions& options, const PoolShape& shape, const Scoreboard& scoreboard,
                 const Roster& roster, const Workforce& workforce)
    : options_{options},
      shape_{shape},
      scoreboard_{scoreboard},
      roster_{roster},
      workforce_{workforce},
      ended_(shape.slots) {}

/// A worker that waits for room says that it waits, too, also with await_next 0.
std::chrono::milliseconds Recalls::shortest_pause() const noexcept {
    return std::max(options_.await_next, std::chrono::milliseconds{1});
}

void Recalls::attend(bool at_once, TimePoint now) noexcept {
    if (!shape_.parks || roster_.owing().empty() || (!at_once && now < next_)) return;
    const TimePoint latest = at_once ? now : now - options_.await_next;
    const auto latest_begin = static_cast<std::uint64_t>(latest.time_since_epoch().count());
    bool any = false;
    roster_.owing().for_each([&](std::uint32_t slot) {
        const std::uint64_t since = scoreboard_.row(slot).awaiting_since_ns.load(std::memory_order_relaxed);
        if (since == 0) return;
        any = true;
        if (since == ended_[slot] || since > latest_begin) return;
        ended_[slot] = since;
        send_message(workforce_.channel(slot).master.get(), {.kind = MessageKind::recall}, {});
    });
    const auto longest = options_.stuck_after / 2;
    pause_ = any ? shortest_pause() : std::min(2 * pause_, longest);
    next_ = now + pause_;
}

TimePoint Recalls::prepare_to_wait(TimePoint now) const noexcept {
    if (!shape_.parks || roster_.owing().empty()) return TimePoint::max();
    return std::max(next_, now + shortest_pause());
}

}  // namespace bullpen
