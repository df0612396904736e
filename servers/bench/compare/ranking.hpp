/// Which contenders are better than which, as far as the noise of the measurement allows to say so.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "servers/bench/text/spread.hpp"

namespace bullpen {

enum class Better { higher, lower };

/// The ranks that a contestant may have: `first` is one more than how many are clearly better than it, `last`
/// is how many are not clearly worse. A contestant is clearly better than another if each of its runs is
/// better than any of the other's: their spreads do not overlap. So two that are not told apart always have a
/// rank in common, and two that have none are told apart.
struct Rank {
    int first = 1;
    int last = 1;
    friend bool operator==(const Rank&, const Rank&) = default;
};

/// One rank for each spread, in their order.
std::vector<Rank> rank(const std::vector<Spread>& spreads, Better better);

/// Those that nobody is clearly better than (rank `first` is 1), the best median first. No two of them are
/// told apart.
std::vector<std::size_t> best_of(const std::vector<Spread>& spreads, Better better);

/// "2", or "2–5" for one that may be anything between.
std::string text_of(Rank rank);

}  // namespace bullpen
