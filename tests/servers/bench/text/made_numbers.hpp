/// Numbers that nobody measured, of every size, and how wide the text is that is made of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <sstream>
#include <string>

#include "servers/bench/text/text_table.hpp"

namespace bullpen {

/// The same numbers for the same seed: 0 now and then, else spread evenly over the powers of ten.
class MadeNumbers {
public:
    explicit MadeNumbers(unsigned seed) : random_{seed} {}

    /// Below 10 to the power `digits`.
    double upto(double digits) {
        constexpr unsigned zeros = 8;  // One in so many.
        if (random_() % zeros == 0) return 0;
        return std::pow(10, std::uniform_real_distribution{-3.0, digits}(random_));
    }
    std::int64_t count_upto(double digits) { return static_cast<std::int64_t>(upto(digits)); }
    bool rarely() { return random_() % 10 == 0; }

private:
    std::mt19937 random_;
};

inline std::size_t widest_line(const std::string& text) {
    std::size_t widest = 0;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);)
        widest = std::max(widest, width_of(line));
    return widest;
}

}  // namespace bullpen
