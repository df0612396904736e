/// Doubts: workers that may not get what is sent to them are asked, and judged by their answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include <bullpen/clock.hpp>
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"
#include "pool/roster.hpp"
#include "pool/scoreboard.hpp"
#include "pool/workforce.hpp"

namespace bullpen {

/// Lives in the master. A worker that was asked is given no connection until it has answered and has all that
/// it was given. A question is settled by that answer, by the worker's death, or by its replacement.
class Doubts {
public:
    Doubts(const PoolOptions& options, const PoolShape& shape, const Scoreboard& scoreboard, Roster& roster,
           Workforce& workforce);

    /// Asks the slot's worker for an answer.
    void ask(std::uint32_t slot, TimePoint now) noexcept;

    [[nodiscard]] bool is_asked(std::uint32_t slot) const noexcept {
        return doubts_[slot].asked_at.has_value();
    }

    /// Whether the row's counts say that the worker has received what it was given. A hint only: the channel
    /// decides.
    [[nodiscard]] bool holds_what_it_was_given(std::uint32_t slot) const noexcept;

    /// To be called each turn: notes the answers that have come. Calls answered(slot) for each, before
    /// anything follows from it.
    template <typename Answered>
    void note_answers(TimePoint now, Answered answered) noexcept {
        for (std::uint32_t slot = 0; asked_ > 0 && slot < shape_.slots; ++slot) {
            if (!is_asked(slot) || !note_answer(slot, now)) continue;
            answered(slot);
            settle_if_good(slot);
        }
    }

    /// Replaces the workers whose channel another process reads: which have answered, or haven't within
    /// stopped_timeout, while connections are neither in their hands nor in the channel.
    void judge(TimePoint now) noexcept;

    /// The worker is replaced for another reason.
    void drop(std::uint32_t slot) noexcept {
        if (is_asked(slot)) settle(slot);
    }

    /// Moves the deadlines of answers by `gap`, during which the master itself wasn't running.
    void forgive(std::chrono::nanoseconds gap) noexcept;

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) const noexcept {
        return asked_ > 0 ? now + options_.stuck_after / 2 : TimePoint::max();
    }

private:
    struct Doubt {
        std::optional<TimePoint> asked_at;  ///< When the last question was asked; empty once it is settled.
        TimePoint answered_at{};
        std::uint32_t answers = 0;     ///< What the row's `answers` must reach to answer it.
        std::uint32_t generation = 0;  ///< Names the worker that was asked.
    };

    [[nodiscard]] bool note_answer(std::uint32_t slot, TimePoint now) noexcept;
    void settle_if_good(std::uint32_t slot) noexcept;
    void judge(std::uint32_t slot, TimePoint now) noexcept;
    void settle(std::uint32_t slot) noexcept;

    const PoolOptions& options_;
    const PoolShape& shape_;
    const Scoreboard& scoreboard_;
    Roster& roster_;
    Workforce& workforce_;
    std::vector<Doubt> doubts_;  ///< By slot.
    int asked_ = 0;              ///< The number of slots with a question that is not settled.
};

}  // namespace bullpen
