/// The fate of a connection whose worker has died, by what that worker had told of it. A pure function.
#pragma once

#include <optional>

#include <bullpen/detail/handoff_note.hpp>
#include "pool/scoreboard.hpp"

namespace bullpen {

enum class Fate {
    give_again,  ///< Another worker gets it as it was handed.
    keep,        ///< It was between two requests, and waits for its client.
    retry,       ///< Another worker gets it and may die of it, too.
    lose,        ///< It ends.
};

/// `told` is empty if the worker has told nothing of the connection: then it died before, or in receiving it;
/// or it was replaced because it had written something impossible, perhaps over what it had told.
/// `retries_left` is for the request that is going on.
constexpr Fate fate_of(const std::optional<HandoffNote::Told>& told, ExitReason why,
                       int retries_left) noexcept {
    if (!told) return why == ExitReason::replaced ? Fate::lose : Fate::give_again;
    switch (told->progress) {
        case Progress::queued:
        case Progress::received: return Fate::give_again;
        case Progress::kept: return Fate::keep;
        case Progress::begun:  // Only a crash is worth another try: whoever was ended was ended on purpose.
            return why == ExitReason::signalled && retries_left > 0 ? Fate::retry : Fate::lose;
        case Progress::touched: break;
    }
    return Fate::lose;
}

}  // namespace bullpen
