#include "pool/roster.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <random>
#include <set>
#include <vector>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

const TimePoint begin = TimePoint{} + 1h;

PoolShape shape_with(Pick pick, std::uint32_t slots, std::uint64_t capacity, std::uint64_t depth) {
    PoolShape shape;
    shape.slots = slots;
    shape.capacity = capacity;
    shape.depth = depth;
    shape.pick = pick;
    return shape;
}

PoolOptions stealing_after(std::chrono::milliseconds time) {
    PoolOptions options;
    options.steal_after = time;
    return options;
}

void lose_all(SlotAccount& account) {
    while (account.outstanding() > 0)
        REQUIRE(account.lose(account.given().front().handoff));
}

struct Staff {
    PoolOptions options = stealing_after(1ms);
    PoolShape shape;
    Scoreboard board;
    Roster roster;
    std::uint32_t given = 0;

    explicit Staff(PoolShape of) : shape{of}, board{of.slots}, roster{options, shape, board} {}

    void place_all(Stage stage) {
        for (std::uint32_t slot = 0; slot < shape.slots; ++slot)
            roster.place(slot, stage, Usable::yes);
    }
    void give(std::uint32_t slot, TimePoint now = begin) {
        roster.account(slot).give({.index = ++given, .generation = 1});
        roster.moved(slot, now);
    }
    void finish_one(std::uint32_t slot, TimePoint now = begin) {
        SlotAccount& account = roster.account(slot);
        REQUIRE(account.end(account.given().front().handoff));
        roster.moved(slot, now);
    }
    /// As the rows of workers that accept by themselves have it.
    void begin_in_row(std::uint32_t slot, std::uint64_t begun, std::uint64_t finished) {
        board.row(slot).begun = begun;
        board.row(slot).finished = finished;
    }
};

/// The same in the plainest way.
struct NaiveSlot {
    Stage stage = Stage::vacant;
    Usable usable = Usable::yes;
    std::uint64_t outstanding = 0;
    bool awaiting = false;
    TimePoint moved_at{};
};

using Slots = std::vector<NaiveSlot>;

bool serves(const NaiveSlot& slot) {
    return slot.stage == Stage::ready && slot.usable == Usable::yes;
}

template <typename Holds>
std::set<std::uint32_t> those(const Slots& slots, Holds holds) {
    std::set<std::uint32_t> members;
    for (std::uint32_t slot = 0; slot < slots.size(); ++slot)
        if (holds(slots[slot])) members.insert(slot);
    return members;
}

std::set<std::uint32_t> members_of(const SlotSet& set) {
    std::set<std::uint32_t> members;
    set.for_each([&](std::uint32_t slot) { members.insert(slot); });
    return members;
}

std::optional<std::uint32_t> first_of(const std::set<std::uint32_t>& slots) {
    if (slots.empty()) return {};
    return *slots.begin();
}

std::optional<std::uint32_t> naive_next(const Slots& slots, const PoolShape& shape, std::uint64_t ahead,
                                        TimePoint now) {
    switch (shape.pick) {
        case Pick::never: return {};
        case Pick::vacant: return first_of(those(slots, [](auto& s) { return s.stage == Stage::vacant; }));
        case Pick::least_loaded: {
            std::optional<std::uint32_t> best;
            for (std::uint32_t slot = 0; slot < slots.size(); ++slot)
                if (serves(slots[slot]) && slots[slot].outstanding < shape.depth &&
                    (!best || slots[slot].outstanding < slots[*best].outstanding))
                    best = slot;
            return best;
        }
        case Pick::lowest_idle: break;
    }
    const auto idle = those(slots, [&](auto& s) { return serves(s) && s.outstanding < shape.capacity; });
    if (!idle.empty()) return first_of(idle);
    return first_of(those(slots, [&](auto& s) {
        return serves(s) && s.outstanding < shape.depth && s.outstanding < shape.capacity + ahead &&
               (s.awaiting || now - s.moved_at < 1ms);
    }));
}

void check_same(const Staff& staff, const Slots& slots, TimePoint now) {
    const Roster& roster = staff.roster;
    const PoolShape& shape = staff.shape;
    REQUIRE(members_of(roster.vacant()) == those(slots, [](auto& s) { return s.stage == Stage::vacant; }));
    REQUIRE(members_of(roster.starting()) ==
            those(slots, [](auto& s) { return s.stage == Stage::starting; }));
    REQUIRE(members_of(roster.ready()) == those(slots, [](auto& s) { return s.stage == Stage::ready; }));
    REQUIRE(members_of(roster.draining()) ==
            those(slots, [](auto& s) { return s.stage == Stage::draining; }));
    REQUIRE(members_of(roster.idle()) ==
            those(slots, [&](auto& s) { return serves(s) && s.outstanding < shape.capacity; }));
    REQUIRE(members_of(roster.ahead()) ==
            those(slots, [&](auto& s) { return serves(s) && s.outstanding > shape.capacity; }));
    REQUIRE(members_of(roster.owing()) == those(slots, [](auto& s) { return s.outstanding > 0; }));
    std::uint64_t outstanding = 0;
    bool room = false;
    for (std::uint32_t slot = 0; slot < slots.size(); ++slot) {
        const NaiveSlot& naive = slots[slot];
        outstanding += naive.outstanding;
        room = room || (shape.pick == Pick::vacant ? naive.stage == Stage::vacant
                                                   : serves(naive) && naive.outstanding < shape.depth);
        REQUIRE(roster.stage_of(slot) == naive.stage);
        REQUIRE(roster.is_usable(slot) == (naive.usable == Usable::yes));
        REQUIRE(roster.moved_at(slot) == naive.moved_at);
        REQUIRE(staff.roster.is_busy(slot) == (shape.pick != Pick::never && naive.outstanding > 0));
    }
    REQUIRE(roster.outstanding() == outstanding);
    REQUIRE(roster.has_room() == room);
    for (const std::uint64_t ahead : {std::uint64_t{1}, std::uint64_t{2}, shape.depth})
        REQUIRE(roster.slot_for_next(ahead, now) == naive_next(slots, shape, ahead, now));
}

}  // namespace

TEST_SUITE("pool: the roster") {
    TEST_CASE("every set, and the slot for the next client, are as a plain list has them, in any sequence") {
        for (const PoolShape& shape :
             {shape_with(Pick::lowest_idle, 70, 1, 2), shape_with(Pick::lowest_idle, 5, 1, 17),
              shape_with(Pick::lowest_idle, 6, 1, 1), shape_with(Pick::least_loaded, 5, 3, 3),
              shape_with(Pick::vacant, 9, 1, 1), shape_with(Pick::never, 4, 2, 2)}) {
            std::mt19937 random{1};
            Staff staff{shape};
            Slots slots(shape.slots);
            TimePoint now = begin;
            for (int step = 0; step < 3000; ++step) {
                now += random() % 3 * 400us;
                const auto slot = static_cast<std::uint32_t>(random() % shape.slots);
                NaiveSlot& naive = slots[slot];
                SlotAccount& account = staff.roster.account(slot);
                switch (random() % 8) {
                    case 0:
                        naive.stage = static_cast<Stage>(random() % 4);
                        naive.usable = random() % 3 == 0 ? Usable::no : Usable::yes;
                        staff.roster.place(slot, naive.stage, naive.usable);
                        break;
                    case 1:  // Ready more often than by chance.
                        naive.stage = Stage::ready;
                        naive.usable = Usable::yes;
                        staff.roster.place(slot, naive.stage, naive.usable);
                        break;
                    case 2:
                        naive.usable = random() % 2 == 0 ? Usable::no : Usable::yes;
                        staff.roster.set_usable(slot, naive.usable);
                        break;
                    case 3:
                        naive.awaiting = random() % 2 == 0;
                        staff.roster.note_awaiting(slot, naive.awaiting);
                        break;
                    case 4:
                    case 5:
                    case 6:
                        if (naive.outstanding == shape.depth) break;
                        staff.give(slot, now);
                        ++naive.outstanding;
                        naive.moved_at = now;
                        break;
                    default:
                        if (naive.outstanding == 0) break;
                        if (random() % 4 == 0) {
                            lose_all(account);
                            staff.roster.moved(slot, now);
                            naive.outstanding = 0;
                        } else {
                            staff.finish_one(slot, now);
                            --naive.outstanding;
                        }
                        naive.moved_at = now;
                }
                check_same(staff, slots, now);
                if (step % 100 == 0) check_same(staff, slots, now + 1ms);
            }
        }
    }

    TEST_CASE("the scoreboard's table says what the roster knows") {
        Staff staff{shape_with(Pick::lowest_idle, 2, 1, 3)};
        const SlotEntry& entry = staff.board.entry(1);
        for (const Stage stage : {Stage::starting, Stage::ready, Stage::draining, Stage::vacant}) {
            staff.roster.place(1, stage, Usable::yes);
            CHECK(entry.stage == static_cast<std::uint32_t>(stage));
        }
        for (int i = 0; i < 3; ++i)
            staff.give(1);
        CHECK(entry.handed == 3);
        REQUIRE(staff.roster.account(1).park(2));
        staff.roster.moved(1, begin + 1s);
        CHECK(entry.handed == 3);
        CHECK(entry.returned == 1);
        REQUIRE(staff.roster.account(1).take_back(3));
        lose_all(staff.roster.account(1));
        staff.roster.moved(1, begin + 2s);
        CHECK(entry.handed == 2);
        CHECK(entry.given == 3);
        CHECK(entry.lost == 1);
        CHECK(staff.roster.moved_at(1) == begin + 2s);
        CHECK(staff.roster.moved_at() == begin + 2s);
        CHECK(staff.roster.moved_at(0) == TimePoint{});
    }

    TEST_CASE("when none is idle, a client is queued ahead only at a worker that moves or only awaits") {
        Staff staff{shape_with(Pick::lowest_idle, 3, 1, 2)};
        staff.place_all(Stage::ready);
        for (std::uint32_t slot = 0; slot < 3; ++slot)
            staff.give(slot, begin + slot * 100us);
        CHECK(staff.roster.slot_for_next(1, begin + 999us) == 0);
        CHECK(staff.roster.slot_for_next(1, begin + 1000us) == 1);
        CHECK_FALSE(staff.roster.slot_for_next(1, begin + 5ms));
        staff.roster.note_awaiting(2, true);
        CHECK(staff.roster.slot_for_next(1, begin + 5ms) == 2);
        staff.roster.note_awaiting(2, false);
        CHECK_FALSE(staff.roster.slot_for_next(1, begin + 5ms));
        staff.finish_one(1, begin + 5ms);
        CHECK(staff.roster.slot_for_next(1, begin + 10s) == 1);  // Idle, however long ago it moved.
    }

    TEST_CASE("no more clients are queued ahead at a worker than are to be now") {
        Staff staff{shape_with(Pick::lowest_idle, 2, 1, 4)};
        staff.place_all(Stage::ready);
        for (const std::uint32_t slot : {0U, 1U, 0U})
            staff.give(slot);
        CHECK(staff.roster.slot_for_next(1, begin) == 1);
        CHECK(staff.roster.slot_for_next(2, begin) == 0);
        staff.give(1);
        CHECK_FALSE(staff.roster.slot_for_next(1, begin));
        CHECK(staff.roster.slot_for_next(3, begin) == 0);
    }

    TEST_CASE("an awaiting worker that has one queued already, or may be given nothing, gets no more") {
        Staff staff{shape_with(Pick::lowest_idle, 1, 1, 2)};
        staff.place_all(Stage::ready);
        staff.give(0);
        staff.roster.note_awaiting(0, true);
        staff.roster.set_usable(0, Usable::no);
        CHECK_FALSE(staff.roster.slot_for_next(1, begin));
        staff.roster.set_usable(0, Usable::yes);
        CHECK(staff.roster.slot_for_next(1, begin) == 0);
        staff.give(0);
        CHECK_FALSE(staff.roster.slot_for_next(1, begin));
        CHECK(staff.roster.ahead().contains(0));
    }

    TEST_CASE("workers with one client each are counted one by one") {
        Staff staff{shape_with(Pick::lowest_idle, 8, 1, 2)};
        for (const auto& [slot, stage] : {std::pair{0U, Stage::ready},
                                          {1U, Stage::ready},
                                          {2U, Stage::ready},
                                          {3U, Stage::starting},
                                          {4U, Stage::draining},
                                          {5U, Stage::draining}})
            staff.roster.place(slot, stage, Usable::yes);
        staff.give(0);
        staff.give(4);
        staff.roster.set_usable(2, Usable::no);  // It serves nobody: no spare.
        const PoolCounts counts = staff.roster.count();
        CHECK(counts.idle == 1);
        CHECK(counts.busy == 2);
        CHECK(counts.starting == 1);
        CHECK(counts.draining == 2);
        CHECK(counts.waiting == 0);
    }

    TEST_CASE("where a worker is forked for each client, the vacant slots are the idle ones") {
        Staff staff{shape_with(Pick::vacant, 4, 1, 1)};
        CHECK(staff.roster.has_idle());
        staff.roster.place(0, Stage::ready, Usable::yes);
        CHECK(staff.roster.count().idle == 3);
        CHECK(staff.roster.count().busy == 1);
        CHECK(staff.roster.slot_for_next(1, begin) == 1);
        staff.place_all(Stage::ready);
        CHECK_FALSE(staff.roster.has_idle());
        CHECK_FALSE(staff.roster.has_room());
        CHECK_FALSE(staff.roster.slot_for_next(1, begin));
    }

    TEST_CASE("of workers that serve many, as many are busy as the connections would fill") {
        constexpr std::uint64_t capacity = 10;
        for (const Pick pick : {Pick::least_loaded, Pick::never}) {
            Staff staff{shape_with(pick, 4, capacity, capacity)};
            staff.place_all(Stage::ready);
            int connections = 0;
            const auto add = [&](std::uint32_t slot, int count) {
                for (connections += count; count > 0; --count)
                    staff.give(slot);
                staff.begin_in_row(slot, staff.roster.account(slot).outstanding() + 100, 100);
            };
            const auto busy = [&] { return staff.roster.count().busy; };
            CHECK(busy() == 0);
            for (const auto& [slot, count, expected] : {std::tuple{0U, 1, 1},
                                                        {1U, 9, 1},
                                                        {1U, 1, 2},
                                                        {2U, 9, 2},
                                                        {2U, 1, 3},
                                                        {0U, 9, 3},
                                                        {3U, 1, 4},
                                                        {3U, 9, 4}}) {
                add(slot, count);
                CHECK(busy() == expected);
                CHECK(staff.roster.count().idle == 4 - expected);
            }
            CHECK(connections == 40);
        }
    }

    TEST_CASE("a row in which a broken worker wrote anything counts for one worker at most") {
        constexpr std::uint64_t largest = ~std::uint64_t{0};
        Staff staff{shape_with(Pick::never, 3, 10, 10)};
        staff.place_all(Stage::ready);
        for (const auto& [begun, finished] :
             {std::pair{largest, std::uint64_t{0}}, {std::uint64_t{0}, largest}, {largest, largest}}) {
            staff.begin_in_row(1, begun, finished);
            CHECK(staff.roster.count().busy <= 1);
            CHECK(staff.roster.count().idle >= 2);
            CHECK_FALSE(staff.roster.is_saturated());
        }
    }

    TEST_CASE("slots without a thread are neither idle nor busy, and leave room to grow") {
        PoolShape shape = shape_with(Pick::never, 4, 1, 1);
        shape.sizes_itself = true;
        Staff staff{shape};
        staff.place_all(Stage::ready);
        for (const std::uint32_t slot : {2U, 3U})
            staff.board.row(slot).activity = static_cast<std::uint32_t>(Activity::absent);
        staff.begin_in_row(0, 1, 0);
        CHECK(staff.roster.count().busy == 1);
        CHECK(staff.roster.count().idle == 1);
        staff.begin_in_row(1, 1, 0);
        CHECK_FALSE(staff.roster.is_saturated());
    }

    TEST_CASE("a worker with one client of a thousand is not saturated, and one with all of them is") {
        for (const Pick pick : {Pick::least_loaded, Pick::never}) {
            Staff staff{shape_with(pick, 1, 1000, 1000)};
            staff.place_all(Stage::ready);
            for (int i = 1; i <= 1000; ++i) {
                staff.give(0);
                staff.begin_in_row(0, staff.roster.account(0).outstanding(), 0);
                REQUIRE(staff.roster.is_saturated() == (i == 1000));
            }
        }
    }

    TEST_CASE("saturated means: no worker has room, and none can be added") {
        for (const Pick pick : {Pick::lowest_idle, Pick::least_loaded, Pick::never}) {
            Staff staff{shape_with(pick, 3, 1, 1)};
            const auto busy = [&](std::uint32_t slot) {
                staff.roster.place(slot, Stage::ready, Usable::yes);
                staff.give(slot);
                staff.begin_in_row(slot, 1, 0);
            };
            CHECK_FALSE(staff.roster.is_saturated());
            busy(0);
            busy(1);
            CHECK_FALSE(staff.roster.is_saturated());  // One is vacant,
            staff.roster.place(2, Stage::starting, Usable::yes);
            CHECK_FALSE(staff.roster.is_saturated());  // one is on its way,
            staff.roster.place(2, Stage::ready, Usable::yes);
            CHECK_FALSE(staff.roster.is_saturated());  // one is idle.
            busy(2);
            CHECK(staff.roster.is_saturated());
            staff.roster.place(2, Stage::draining, Usable::yes);
            CHECK(staff.roster.is_saturated());  // It takes room and gives none.
        }
        Staff forking{shape_with(Pick::vacant, 2, 1, 1)};
        forking.roster.place(0, Stage::ready, Usable::yes);
        CHECK_FALSE(forking.roster.is_saturated());
        forking.roster.place(1, Stage::ready, Usable::yes);
        CHECK(forking.roster.is_saturated());
    }
}
