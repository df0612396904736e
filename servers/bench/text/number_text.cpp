#include "servers/bench/text/number_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "servers/bench/text/text_table.hpp"

namespace bullpen {
namespace {

constexpr double thousand = 1000;

/// "0.71", "12.3", "999": without the sign of a zero.
std::string in_unit(double value, int decimals) {
    std::string text = fixed(value, decimals);
    if (text.find_first_of("123456789") == std::string::npos && text.front() == '-') text.erase(0, 1);
    return text;
}

/// Calls `write(scale, decimals)` from the smallest unit and most decimals on, until what it returns has at
/// most `width` columns and its greatest number, which is `size`, has at most three digits before the point.
template <typename Write>
std::string first_that_fits(double size, std::size_t width, const Write& write) {
    constexpr double too_many = 999.5;
    double scale = 1;
    for (const char* unit : {"", "k", "M", "G", "T", "P", "E", "Z", "Y"}) {
        for (int decimals = 2; size / scale < too_many && decimals >= 0; --decimals) {
            const std::string text = write(scale, decimals) + unit;
            if (width_of(text) <= width) return text;
        }
        scale *= thousand;
    }
    return std::string(width, '#');
}

}  // namespace

std::string grouped(std::int64_t number) {
    const auto bits = static_cast<std::uint64_t>(number);
    const std::uint64_t size = number < 0 ? 0 - bits : bits;  // fmt groups unsigned numbers only.
    return fmt::format("{}{}", number < 0 ? "-" : "", fmt::group_digits(size));
}

std::string whole(double value) {
    constexpr double grouped_most = 9e18;  // That an int64_t can be.
    if (!(std::abs(value) < grouped_most)) return narrow(value, 8);
    return grouped(std::llround(value));
}

std::string fixed(double value, int digits) {
    return fmt::format("{:.{}f}", value, digits);
}

std::string significant(double value) {
    const double size = std::abs(value);
    if (size >= 99.95) return whole(value);
    if (size >= 9.995) return fixed(value, 1);
    if (size >= 0.9995) return fixed(value, 2);
    return size == 0 ? "0" : fixed(value, 3);
}

std::string range(const Spread& spread) {
    constexpr double thousands_from = 10'000;
    if (spread.max < thousands_from) return whole(spread.min) + "–" + whole(spread.max);
    const int digits = spread.max < 10 * thousands_from ? 1 : 0;
    return fixed(spread.min / 1000, digits) + "–" + fixed(spread.max / 1000, digits) + "k";
}

std::string fine_range(const Spread& spread) {
    if (spread.max < thousand) return significant(spread.min) + "–" + significant(spread.max);
    return significant(spread.min / thousand) + "–" + significant(spread.max / thousand) + "k";
}

std::string percent(double share) {
    return fixed(share * 100, 0) + " %";
}

std::string fitting(const std::string& text, double value, std::size_t width) {
    return width_of(text) <= width ? text : narrow(value, width);
}

std::string narrow(double value, std::size_t width) {
    return first_that_fits(std::abs(value), width,
                           [&](double scale, int decimals) { return in_unit(value / scale, decimals); });
}

std::string narrow(const Spread& spread, const std::string& between, std::size_t width) {
    const double size = std::max(std::abs(spread.min), std::abs(spread.max));
    return first_that_fits(size, width, [&](double scale, int decimals) {
        return in_unit(spread.min / scale, decimals) + between + in_unit(spread.max / scale, decimals);
    });
}

std::string duration(double us) {
    constexpr double ms = 1e3;
    constexpr double s = 1e6;
    if (us >= s) return significant(us / s) + " s";
    if (us >= ms) return significant(us / ms) + " ms";
    return whole(us) + " µs";
}

}  // namespace bullpen
