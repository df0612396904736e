#include "servers/bench/text/number_text.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: numbers as people read them") {
    TEST_CASE("numbers are grouped by thousands") {
        CHECK(grouped(0) == "0");
        CHECK(grouped(999) == "999");
        CHECK(grouped(1'000) == "1,000");
        CHECK(grouped(1'234'567) == "1,234,567");
        CHECK(grouped(-999) == "-999");
        CHECK(grouped(-1'000) == "-1,000");
    }

    TEST_CASE("three digits are significant") {
        CHECK(significant(0) == "0");
        CHECK(significant(0.0123) == "0.012");
        CHECK(significant(0.712) == "0.712");
        CHECK(significant(0.9996) == "1.00");
        CHECK(significant(9.994) == "9.99");
        CHECK(significant(9.996) == "10.0");
        CHECK(significant(99.94) == "99.9");
        CHECK(significant(99.96) == "100");
        CHECK(significant(12'345.6) == "12,346");
        CHECK(significant(-5.25) == "-5.25");
    }

    TEST_CASE("ranges are short, also of large numbers") {
        CHECK(range({.min = 312, .max = 330}) == "312–330");
        CHECK(range({.min = 9'100, .max = 9'999}) == "9,100–9,999");
        CHECK(range({.min = 9'999, .max = 10'500}) == "10.0–10.5k");
        CHECK(range({.min = 99'900, .max = 123'456}) == "100–123k");
        CHECK(fine_range({.min = 9.35, .max = 12.34}) == "9.35–12.3");
        CHECK(fine_range({.min = 975, .max = 2'516}) == "0.975–2.52k");
    }

    TEST_CASE("where there is little room a number has fewer digits and a larger unit") {
        CHECK(narrow(0, 4) == "0.00");
        CHECK(narrow(0.7123, 4) == "0.71");
        CHECK(narrow(-0.001, 4) == "0.00");
        CHECK(narrow(123.4, 4) == "123");
        CHECK(narrow(999.6, 4) == "1.0k");
        CHECK(narrow(1'234, 5) == "1.23k");
        CHECK(narrow(12'345, 4) == "12k");
        CHECK(narrow(-123'456, 5) == "-123k");
        CHECK(narrow(4.567e18, 5) == "4.57E");
        CHECK(narrow(1e300, 4) == "####");
        CHECK(narrow({.min = 975, .max = 1'200}, "–", 10) == "0.97–1.20k");
        CHECK(narrow({.min = 101'456, .max = 123'456}, "–", 8) == "101–123k");
        CHECK(fitting("12,345", 12'345, 6) == "12,345");
        CHECK(fitting("12,345", 12'345, 5) == "12.3k");
        CHECK(whole(1e20) == "100.00E");
    }

    TEST_CASE("durations have the unit that suits them") {
        CHECK(duration(712) == "712 µs");
        CHECK(duration(1'234) == "1.23 ms");
        CHECK(duration(2'100'000) == "2.10 s");
    }
}
