#include "core/parse_number.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>

using namespace bullpen;

TEST_SUITE("core: numbers out of text") {
    TEST_CASE("the whole text is the number") {
        CHECK(parse_number<int>("42") == 42);
        CHECK(parse_number<int>("-42") == -42);
        CHECK(parse_number<int>("010") == 10);
        CHECK(parse_number<double>("2.5") == 2.5);
        CHECK(parse_number<double>("1e3") == 1000);
        for (const char* text : {"", " 1", "1 ", "+1", "1x", "x", "-", "0x1", "1,000"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_number<int>(text));
            CHECK_FALSE(parse_number<std::uint64_t>(text));
        }
    }

    TEST_CASE("what doesn't fit is no number") {
        CHECK(parse_number<std::uint64_t>("18446744073709551615") == UINT64_MAX);
        CHECK_FALSE(parse_number<std::uint64_t>("18446744073709551616"));
        CHECK_FALSE(parse_number<unsigned>("-1"));
        CHECK_FALSE(parse_number<std::int8_t>("128"));
        CHECK_FALSE(parse_number<double>("1e999"));
    }

    TEST_CASE("another base may be asked for") {
        CHECK(parse_number<unsigned>("0660", 8) == 0660);
        CHECK(parse_number<unsigned>("ff", 16) == 255);
        CHECK_FALSE(parse_number<unsigned>("0680", 8));
    }
}
