#include "pool/start_pause.hpp"

#include <doctest/doctest.h>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

constexpr bool others_work = true;
constexpr bool nothing_works = false;
constexpr TimePoint begin = TimePoint{} + 1h;

/// So many failures, each as soon as the pause allows it. Returns when the last was.
TimePoint fail(StartPause& pause, int times, bool others) {
    TimePoint now = begin;
    for (int i = 0; i < times; ++i) {
        now = std::max(now, pause.end(others));
        pause.note_failure(now, others);
    }
    return now;
}

}  // namespace

TEST_SUITE("pool: the pause after failed starts") {
    TEST_CASE("it doubles with each failure in a row, up to its limit") {
        constexpr auto longest = 60'000ms;
        CHECK(start_pause(-1, longest) == 0ms);
        CHECK(start_pause(0, longest) == 0ms);
        CHECK(start_pause(1, longest) == 100ms);
        CHECK(start_pause(2, longest) == 200ms);
        CHECK(start_pause(9, longest) == 25'600ms);
        for (const int failures : {11, 21, 31, 32, 33, 1'000'000'000})
            CHECK(start_pause(failures, longest) == 60s);
    }

    TEST_CASE("without a failure there is none, whatever the time") {
        const StartPause pause;
        for (const TimePoint now : {TimePoint::min(), TimePoint{}, TimePoint{} + 1ns, begin})
            for (const bool others : {others_work, nothing_works})
                CHECK(pause.is_over(now, others));
    }

    TEST_CASE("it is over at its end and not before") {
        StartPause pause;
        pause.note_failure(begin, others_work);
        CHECK(pause.end(others_work) == begin + 100ms);
        CHECK_FALSE(pause.is_over(begin, others_work));
        CHECK_FALSE(pause.is_over(begin + 100ms - 1ns, others_work));
        CHECK(pause.is_over(begin + 100ms, others_work));
    }

    TEST_CASE("while nothing works it is a second at most, and a minute where others work") {
        for (const int failures : {5, 10, 20, 100}) {
            StartPause pause;
            const TimePoint last = fail(pause, failures, nothing_works);
            CHECK(pause.end(nothing_works) == last + 1s);
            CHECK(pause.is_over(last + 1s, nothing_works));
        }
        StartPause pause;
        const TimePoint last = fail(pause, 30, others_work);
        CHECK(pause.end(others_work) == last + 60s);
    }

    TEST_CASE("when the last of the others dies, a long pause becomes a short one at once") {
        StartPause pause;
        const TimePoint last = fail(pause, 30, others_work);
        CHECK_FALSE(pause.is_over(last + 2s, others_work));
        CHECK(pause.is_over(last + 2s, nothing_works));
    }

    TEST_CASE("an outage of any length is over within a second of its end") {
        StartPause pause;
        TimePoint now = begin;
        for (const TimePoint outage_ends = begin + 25s; now < outage_ends; now = pause.end(nothing_works))
            pause.note_failure(now, nothing_works);
        CHECK(now - (begin + 25s) <= 1s);
    }

    TEST_CASE("processes that die together are one failure") {
        StartPause pause;
        for (int i = 0; i < 64; ++i)
            pause.note_failure(begin, others_work);
        CHECK(pause.end(others_work) == begin + 100ms);
        pause.note_failure(begin + 99ms, others_work);
        CHECK(pause.end(others_work) == begin + 100ms);
        pause.note_failure(begin + 100ms, others_work);
        CHECK(pause.end(others_work) == begin + 300ms);
    }

    TEST_CASE("a success ends it, and the next failure is the first") {
        StartPause pause;
        const TimePoint last = fail(pause, 8, others_work);
        pause.note_success();
        CHECK(pause.is_over(last, others_work));
        pause.note_failure(last + 1s, others_work);
        CHECK(pause.end(others_work) == last + 1s + 100ms);
    }

    TEST_CASE("failures more than two minutes ago are forgotten") {
        for (const auto& [later, pause_then] : {std::pair{120'000ms, 60'000ms}, {120'001ms, 100ms}}) {
            StartPause pause;
            const TimePoint last = fail(pause, 30, others_work);
            pause.note_failure(last + later, others_work);
            CHECK(pause.end(others_work) == last + later + pause_then);
        }
    }
}
