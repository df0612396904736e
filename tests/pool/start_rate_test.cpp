#include "pool/start_rate.hpp"

#include <doctest/doctest.h>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint begin = TimePoint{} + 1h;

}  // namespace

TEST_SUITE("pool: the start rate") {
    TEST_CASE("a minute's worth may come at once, the next when its part of the minute is over") {
        StartRate rate{3};
        CHECK(rate.note(begin) <= begin);
        CHECK(rate.note(begin) <= begin);
        const TimePoint next = rate.note(begin);
        CHECK(next == begin + 20s);
        CHECK(rate.note(next) == next + 20s);
    }

    TEST_CASE("what wasn't used for a minute isn't saved up") {
        StartRate rate{2};
        CHECK(rate.note(begin) <= begin);
        CHECK(rate.note(begin + 1h) <= begin + 1h);
        CHECK(rate.note(begin + 1h) == begin + 1h + 30s);
    }

    TEST_CASE("0 is any number") {
        StartRate rate{0};
        CHECK(!rate.is_limited());
        for (int i = 0; i < 1000; ++i)
            CHECK(rate.note(begin) <= begin);
        CHECK(StartRate{1}.is_limited());
    }
}
