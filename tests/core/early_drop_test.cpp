#include <bullpen/early_drop.hpp>

#include <doctest/doctest.h>

#include <climits>
#include <string>

#include "tests/complaint.hpp"

using namespace bullpen;

namespace {

std::string complaint(const std::string& text) {
    return complaint_of([&] { EarlyDrop::parse(text); });
}

}  // namespace

TEST_SUITE("core: early random drop") {
    TEST_CASE("nobody is dropped when it is off or before it begins") {
        CHECK(drop_percent({}, INT_MAX) == 0);
        CHECK(drop_percent({.begin = 10, .rate = 30, .full = 100}, 9) == 0);
    }

    TEST_CASE("the probability rises evenly from the rate at begin to all at full") {
        constexpr EarlyDrop drop{.begin = 10, .rate = 30, .full = 100};
        CHECK(drop_percent(drop, 10) == 30);
        CHECK(drop_percent(drop, 55) == 65);
        CHECK(drop_percent(drop, 99) == 99);
        CHECK(drop_percent(drop, 100) == 100);
        CHECK(drop_percent(drop, INT_MAX) == 100);
        for (int unserved = 0; unserved < 120; ++unserved)
            CHECK(drop_percent(drop, unserved) <= drop_percent(drop, unserved + 1));
    }

    TEST_CASE("begin and full may be the same, and as large as may be set") {
        CHECK(drop_percent({.begin = 7, .rate = 1, .full = 7}, 6) == 0);
        CHECK(drop_percent({.begin = 7, .rate = 1, .full = 7}, 7) == 100);
        CHECK(drop_percent({.begin = 1, .rate = 1, .full = 1'000'000}, 999'999) == 99);
    }

    TEST_CASE("it is written as sshd's MaxStartups") {
        const EarlyDrop three = EarlyDrop::parse("10:30:100");
        CHECK(three.begin == 10);
        CHECK(three.rate == 30);
        CHECK(three.full == 100);
        const EarlyDrop one = EarlyDrop::parse("8");
        CHECK(drop_percent(one, 7) == 0);
        CHECK(drop_percent(one, 8) == 100);
        CHECK(drop_percent(EarlyDrop::parse("0"), 1'000) == 0);
    }

    TEST_CASE("what is something else is rejected with a sentence that quotes it") {
        for (const char* text :
             {"", ":", "x", "10:", "10:30", "10:30:", "10:30:100:", "10:30:100:1", "10:30:9", "0:30:100",
              "10:0:100", "10:101:100", "-1", "1 ", "10,30,100", "1000001", "99999999999"}) {
            CAPTURE(text);
            CHECK(
                complaint(text).starts_with("'" + std::string{text} + "' is no begin:rate:full; expected "));
        }
    }
}
