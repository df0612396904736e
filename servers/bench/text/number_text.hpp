/// Numbers as people read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "servers/bench/text/spread.hpp"

namespace bullpen {

/// "20,501"
std::string grouped(std::int64_t number);

/// "20,501" for an amount that has no use for decimals.
std::string whole(double value);

std::string fixed(double value, int digits);

/// Three significant digits: "0.712", "12.3", "1,230"; "0" for nothing at all.
std::string significant(double value);

/// "5,313–5,402", or "55.1–58.9k" from 10,000 on.
std::string range(const Spread& spread);

/// With three significant digits: "9.35–12.3", or "0.975–2.52k" from 1,000 on.
std::string fine_range(const Spread& spread);

/// "17 %"
std::string percent(double share);

/// `text` if it has at most `width` columns, else what narrow() makes of the value.
std::string fitting(const std::string& text, double value, std::size_t width);

/// In at most `width` columns, whatever the number is: "1.23k", "12k", "4.57M". The two ends of a spread have
/// one unit: "0.98–1.20k". A negative number may need a column more than narrow_min.
constexpr std::size_t narrow_min = 4;
std::string narrow(double value, std::size_t width);
std::string narrow(const Spread& spread, const std::string& between, std::size_t width);

/// Microseconds as "712 µs", "1.23 ms" or "2.10 s".
std::string duration(double us);

}  // namespace bullpen
