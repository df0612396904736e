#include "servers/bench/text/number_cell.hpp"

#include <utility>

#include "servers/bench/text/number_text.hpp"

namespace bullpen {

TextTable::Cell number_cell(double value, std::string text) {
    return {std::move(text), narrow_min, [value](std::size_t width) { return narrow(value, width); }};
}

TextTable::Cell count_cell(std::uint64_t count) {
    return number_cell(static_cast<double>(count), grouped(static_cast<std::int64_t>(count)));
}

TextTable::Cell range_cell(const Spread& spread, const std::string& between, std::string text) {
    const std::size_t least = 2 * narrow_min - 1 + width_of(between);  // They share the unit.
    return {std::move(text), least, [=](std::size_t width) { return narrow(spread, between, width); }};
}

}  // namespace bullpen
