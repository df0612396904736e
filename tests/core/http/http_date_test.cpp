#include "core/http/http_date.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace bullpen::http;

TEST_SUITE("HTTP date") {
    constexpr std::time_t example = 784'111'777;

    TEST_CASE("dates are written in the fixed form") {
        CHECK(HttpDate{example}.text() == "Sun, 06 Nov 1994 08:49:37 GMT");
        CHECK(HttpDate{0}.text() == "Thu, 01 Jan 1970 00:00:00 GMT");
        CHECK(HttpDate{951'782'399}.text() == "Mon, 28 Feb 2000 23:59:59 GMT");
        CHECK(HttpDate{951'782'400}.text() == "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    TEST_CASE("times that don't fit are written as the nearest that do") {
        CHECK(HttpDate{-1}.text() == "Thu, 01 Jan 1970 00:00:00 GMT");
        CHECK(HttpDate{std::time_t{1} << 60}.text() == "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    TEST_CASE("all three forms are read") {
        CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == example);
        CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == example);
        CHECK(parse_http_date("Sun Nov  6 08:49:37 1994") == example);
        CHECK(parse_http_date("Wed Nov 16 08:49:37 1994") == example + 10 * 86'400);
    }

    TEST_CASE("what is written is read back") {
        for (std::time_t time = 0; time < 4'000'000'000; time += 12'345'678)
            CHECK(parse_http_date(HttpDate{time}.text()) == time);
    }

    TEST_CASE("anything else is refused, also every truncated date") {
        for (const char* bad :
             {"0", "yesterday", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
              "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 ovN 1994 08:49:37 GMT",
              "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
              "Sun, -6 Nov 1994 08:49:37 GMT", ",", "Sun,", "Sun "})
            CHECK_FALSE(parse_http_date(bad));
        for (const std::string whole :
             {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
            for (std::size_t size = 0; size < whole.size(); ++size)
                CHECK_FALSE(parse_http_date(whole.substr(0, size)));
    }

    TEST_CASE("the present date is now") {
        const std::time_t before = std::time(nullptr);
        const auto now = parse_http_date(http_date_now());
        REQUIRE(now);
        CHECK(*now >= before);
        CHECK(*now <= std::time(nullptr));
    }
}
