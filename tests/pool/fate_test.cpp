#include "pool/fate.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace bullpen;

namespace {

constexpr int many = 1000;

HandoffNote::Told told(Progress progress) {
    return {.number = 1, .progress = progress};
}

std::vector<ExitReason> all_reasons() {
    std::vector<ExitReason> all;
    for (std::size_t i = 0; i < exit_reasons; ++i)
        all.push_back(static_cast<ExitReason>(i));
    return all;
}

}  // namespace

TEST_SUITE("pool: the fate of a dead worker's connection") {
    TEST_CASE("what its handler had not begun with is given again, whatever the worker died of, and always") {
        for (const ExitReason why : all_reasons()) {
            for (const int retries : {-1, 0, 1, many}) {
                CHECK(fate_of(told(Progress::queued), why, retries) == Fate::give_again);
                CHECK(fate_of(told(Progress::received), why, retries) == Fate::give_again);
            }
        }
    }

    TEST_CASE(
        "so is that of which nothing was told, but not after the death of a worker that wrote nonsense") {
        for (const ExitReason why : all_reasons())
            for (const int retries : {-1, 0, 1, many})
                CHECK(fate_of({}, why, retries) ==
                      (why == ExitReason::replaced ? Fate::lose : Fate::give_again));
    }

    TEST_CASE("what was between two requests is kept, whatever the worker died of, and always") {
        for (const ExitReason why : all_reasons())
            for (const int retries : {-1, 0, 1, many})
                CHECK(fate_of(told(Progress::kept), why, retries) == Fate::keep);
    }

    TEST_CASE("of what was touched nothing is left, whatever the worker died of") {
        for (const ExitReason why : all_reasons())
            for (const int retries : {-1, 0, 1, many})
                CHECK(fate_of(told(Progress::touched), why, retries) == Fate::lose);
    }

    TEST_CASE("what was begun and not touched is tried again after a crash alone, as often as may be") {
        for (const ExitReason why : all_reasons()) {
            const Fate after_a_crash = why == ExitReason::signalled ? Fate::retry : Fate::lose;
            CHECK(fate_of(told(Progress::begun), why, 1) == after_a_crash);
            CHECK(fate_of(told(Progress::begun), why, many) == after_a_crash);
            CHECK(fate_of(told(Progress::begun), why, 0) == Fate::lose);
            CHECK(fate_of(told(Progress::begun), why, -1) == Fate::lose);
        }
    }

    TEST_CASE("it is decided by what was told, not by what the connection goes on from") {
        for (const bool exchanged : {true, false}) {
            HandoffNote::Told note = told(Progress::begun);
            note.exchanged = exchanged;
            note.resumption.parking.limit = exchanged ? Limit::header : Limit::none;
            CHECK(fate_of(note, ExitReason::signalled, 1) == Fate::retry);
        }
    }
}
