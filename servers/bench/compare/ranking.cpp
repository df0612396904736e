#include "servers/bench/compare/ranking.hpp"

#include <algorithm>

namespace bullpen {
namespace {

bool clearly_better(const Spread& a, const Spread& b, Better better) noexcept {
    return better == Better::higher ? a.min > b.max : a.max < b.min;
}

}  // namespace

std::vector<Rank> rank(const std::vector<Spread>& spreads, Better better) {
    std::vector<Rank> ranks;
    for (const Spread& own : spreads) {
        const auto above = std::count_if(spreads.begin(), spreads.end(), [&](const Spread& other) {
            return clearly_better(other, own, better);
        });
        const auto below = std::count_if(spreads.begin(), spreads.end(), [&](const Spread& other) {
            return clearly_better(own, other, better);
        });
        ranks.push_back({.first = static_cast<int>(above) + 1,
                         .last = static_cast<int>(spreads.size()) - static_cast<int>(below)});
    }
    return ranks;
}

std::vector<std::size_t> best_of(const std::vector<Spread>& spreads, Better better) {
    const std::vector<Rank> ranks = rank(spreads, better);
    std::vector<std::size_t> best;
    for (std::size_t i = 0; i < spreads.size(); ++i)
        if (ranks[i].first == 1) best.push_back(i);
    std::stable_sort(best.begin(), best.end(), [&](std::size_t a, std::size_t b) {
        const double left = spreads[a].median;
        const double right = spreads[b].median;
        return better == Better::higher ? left > right : left < right;
    });
    return best;
}

std::string text_of(Rank rank) {
    const std::string first = std::to_string(rank.first);
    return rank.first == rank.last ? first : first + "–" + std::to_string(rank.last);
}

}  // namespace bullpen
