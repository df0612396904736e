#include <bullpen/detail/handoff_note.hpp>

#include <doctest/doctest.h>

#include <memory>

using namespace bullpen;

namespace {

constexpr std::uint64_t large = (std::uint64_t{1} << 60) - 1;  ///< The largest number that a note holds.

Resumption some_resumption(std::uint8_t seed) {
    Resumption resumption{.parking = {.deadline_ns = seed * std::uint64_t{1'000'000'007},
                                      .input_at_least = seed + std::uint32_t{1},
                                      .what = seed % 2 == 0 ? Await::input : Await::output,
                                      .in_vain = static_cast<std::uint8_t>(seed & 7U),
                                      .skips = static_cast<std::uint8_t>(seed & 31U),
                                      .idle_turns = seed,
                                      .limit = Limit::header}};
    resumption.state.fill(std::byte{seed});
    return resumption;
}

bool is_some(const Resumption& resumption, std::uint8_t seed) {
    const Resumption wanted = some_resumption(seed);
    const Parking& a = resumption.parking;
    const Parking& b = wanted.parking;
    return resumption.state == wanted.state && a.deadline_ns == b.deadline_ns &&
           a.input_at_least == b.input_at_least && a.what == b.what && a.in_vain == b.in_vain &&
           a.skips == b.skips && a.idle_turns == b.idle_turns && a.limit == b.limit;
}

}  // namespace

TEST_SUITE("core: notes of handoffs") {
    TEST_CASE("a note that nothing was written to is of no handoff") {
        const auto note = std::make_unique<HandoffNote>();
        CHECK(note->number() == 0);
        CHECK(note->read().number == 0);
    }

    TEST_CASE("what was told is read, whatever its number and progress") {
        HandoffNote note{};
        std::uint8_t seed = 0;
        for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{1} << 32, large}) {
            for (const Progress progress :
                 {Progress::queued, Progress::received, Progress::kept, Progress::begun, Progress::touched}) {
                for (const bool exchanged : {true, false}) {
                    note.tell(number, progress, exchanged, some_resumption(++seed));
                    const HandoffNote::Told told = note.read();
                    CHECK(told.number == number);
                    CHECK(note.number() == number);
                    CHECK(told.progress == progress);
                    CHECK(told.exchanged == exchanged);
                    CHECK(is_some(told.resumption, seed));
                }
            }
        }
    }

    TEST_CASE("who tells only how far it is goes on from what was told last") {
        HandoffNote note{};
        note.tell(7, Progress::kept, false, some_resumption(3));
        note.tell(7, Progress::begun, true);
        const HandoffNote::Told told = note.read();
        CHECK(told.progress == Progress::begun);
        CHECK(told.exchanged);
        CHECK(is_some(told.resumption, 3));
    }
}

TEST_SUITE("core: the progress of a handoff") {
    TEST_CASE("each step is told as it is made") {
        HandoffNote note{};
        HandoffProgress handoff{note, 5};
        const auto check = [&](Progress progress, bool exchanged) {
            CHECK(handoff.progress() == progress);
            CHECK(note.read().number == 5);
            CHECK(note.read().progress == progress);
            CHECK(note.read().exchanged == exchanged);
        };
        handoff.queue(some_resumption(1));
        check(Progress::queued, false);
        CHECK(is_some(note.read().resumption, 1));
        handoff.claim();
        check(Progress::received, false);
        CHECK(is_some(note.read().resumption, 1));
        handoff.receive(some_resumption(1), false);
        check(Progress::received, false);
        CHECK(is_some(note.read().resumption, 1));
        handoff.begin(false);
        check(Progress::begun, false);
        CHECK(is_some(note.read().resumption, 1));
        handoff.touch();
        check(Progress::touched, true);
        handoff.keep(some_resumption(2), true);
        check(Progress::kept, true);
        CHECK(is_some(note.read().resumption, 2));
        handoff.begin(true);
        check(Progress::begun, true);
        handoff.go_on_from(some_resumption(3), true);
        check(Progress::begun, true);
        CHECK(is_some(note.read().resumption, 3));
    }

    TEST_CASE("within a request of which something was taken, nobody can go on from anywhere") {
        HandoffNote note{};
        HandoffProgress handoff{note, 5};
        handoff.receive(some_resumption(1), false);
        handoff.begin(false);
        handoff.touch();
        handoff.go_on_from(some_resumption(2), true);
        CHECK(handoff.progress() == Progress::touched);
        CHECK(note.read().progress == Progress::touched);
        CHECK(is_some(note.read().resumption, 1));
    }

    TEST_CASE("a touch that found nothing is taken back to what was before") {
        HandoffNote note{};
        HandoffProgress handoff{note, 5};
        for (const Progress before : {Progress::kept, Progress::begun}) {
            for (const bool exchanged : {true, false}) {
                handoff.keep(some_resumption(4), exchanged);
                if (before == Progress::begun) handoff.begin(exchanged);
                handoff.touch();
                handoff.untouch(before, exchanged);
                CHECK(handoff.progress() == before);
                CHECK(note.read().progress == before);
                CHECK(note.read().exchanged == exchanged);
                CHECK(is_some(note.read().resumption, 4));
                handoff.touch();  // It can be told again.
                CHECK(note.read().progress == Progress::touched);
            }
        }
    }

    TEST_CASE("without a note the progress is known, and nobody is told") {
        HandoffProgress handoff;
        CHECK_FALSE(handoff);
        handoff.receive({}, false);
        handoff.begin(false);
        CHECK(handoff.progress() == Progress::begun);
        handoff.touch();
        CHECK(handoff.progress() == Progress::touched);
        handoff.keep({}, true);
        CHECK(handoff.progress() == Progress::kept);
    }
}
