#include "servers/cli/number_text.hpp"

#include <cmath>
#include <cstdio>

namespace bullpen {

std::string grouped(std::int64_t number) {
    std::string digits = std::to_string(number);
    const std::size_t first = number < 0 ? 1 : 0;
    for (std::size_t i = digits.size(); i > first + 3; i -= 3)
        digits.insert(i - 3, 1, ',');
    return digits;
}

std::string whole(double value) {
    return grouped(std::llround(value));
}

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
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
    constexpr double thousand = 1000;
    if (spread.max < thousand) return significant(spread.min) + "–" + significant(spread.max);
    return significant(spread.min / thousand) + "–" + significant(spread.max / thousand) + "k";
}

std::string percent(double share) {
    return fixed(share * 100, 0) + " %";
}

std::string duration(double us) {
    constexpr double ms = 1e3;
    constexpr double s = 1e6;
    if (us >= s) return significant(us / s) + " s";
    if (us >= ms) return significant(us / ms) + " ms";
    return whole(us) + " µs";
}

std::string enumerate(const std::vector<std::string>& parts) {
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
        text += parts[i];
    }
    return text;
}

}  // namespace bullpen
