#include "pool/snapshot.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <random>
#include <string>
#include <vector>

#include "core/thread.hpp"
#include "pool/connections.hpp"
#include "pool/roster.hpp"

using namespace bullpen;

namespace {

constexpr std::uint64_t largest = ~std::uint64_t{0};

/// Everything that Prometheus takes for a counter.
std::vector<std::uint64_t> counters_of(const PoolTotals& sum) {
    std::vector<std::uint64_t> all{sum.accepted,       sum.completed, sum.failed,
                                   sum.client_aborted, sum.refused,   sum.lost};
    all.insert(all.end(), sum.timed_out.begin(), sum.timed_out.end());
    all.insert(all.end(), sum.refused_by.begin(), sum.refused_by.end());
    all.insert(all.end(), sum.lost_by.begin(), sum.lost_by.end());
    return all;
}

bool none_went_back(const PoolTotals& now, const PoolTotals& before) {
    const std::vector<std::uint64_t> a = counters_of(now);
    const std::vector<std::uint64_t> b = counters_of(before);
    return std::equal(a.begin(), a.end(), b.begin(),
                      [](auto later, auto earlier) { return later >= earlier; });
}

/// A worker that hands_off' connections come to: what it counts, in its order.
void begin_one(ScoreboardRow& row) {
    row.queue_wait.record(1000);
    add(row.begun);
}
void end_one(ScoreboardRow& row, SharedCounter& outcome) {
    row.service.record(1000);
    add(outcome);
}
void return_one(ScoreboardRow& row) {
    row.service.record(1000);
    add(row.returned);
}

/// The parts of a master that account for connections, each of its slots with a worker that serves one at a
/// time. Nobody has a socket.
struct Accountants {
    static constexpr std::uint32_t slots = 3;

    PoolOptions options;
    PoolShape shape;
    Scoreboard board{slots};
    Admission admission{{}, {"127.0.0.1:80"}};
    Connections connections{board, admission, ""};
    Roster roster;
    std::array<std::uint64_t, slots> numbers{};  ///< Of each slot's handoff.
    std::vector<Place> waiting;
    std::vector<Place> parked;

    Accountants() : shape{three_slots()}, roster{options, shape, board} {
        board.header().hands_off = 1;
        connections.limit(50);
        for (std::uint32_t slot = 0; slot < slots; ++slot) {
            board.entry(slot).generation = 1;
            roster.place(slot, Stage::ready, Usable::yes);
        }
    }
    static PoolShape three_slots() {
        PoolShape shape;
        shape.slots = slots;
        return shape;
    }

    void accept() {
        if (connections.has_room()) waiting.push_back(connections.add({}, Peer{}, 0, TimePoint{}));
    }
    void give(std::uint32_t slot) {
        if (waiting.empty() || roster.account(slot).outstanding() > 0) return;
        const Scoreboard::Change change{board};
        connections.move(waiting.back(), Where::given);
        numbers[slot] = roster.account(slot).give(waiting.back());
        roster.moved(slot, TimePoint{});
        waiting.pop_back();
    }
    void note(std::uint32_t slot) {
        SlotAccount& account = roster.account(slot);
        const std::uint64_t finished = outcomes(board.row(slot));
        if (board.row(slot).returned != account.returned()) {
            const Scoreboard::Change change{board};
            const auto client = account.park(numbers[slot]);
            roster.moved(slot, TimePoint{});
            connections.move(*client, Where::parked);
            parked.push_back(*client);
        }
        if (finished == account.finished()) return;
        const Scoreboard::Change change{board};
        connections.end(*account.end(numbers[slot]), Ending::in_worker());
        roster.moved(slot, TimePoint{});
    }
    void end_one(std::vector<Place>& those, Ending how) {
        if (those.empty()) return;
        connections.end(those.back(), how);
        those.pop_back();
    }
    void wake_one() {
        if (parked.empty()) return;
        connections.move(parked.back(), Where::waiting);
        waiting.push_back(parked.back());
        parked.pop_back();
    }
    void take_back(std::uint32_t slot) {
        const Scoreboard::Change change{board};
        const auto client = roster.account(slot).take_back(numbers[slot]);
        if (!client) return;
        connections.move(*client, Where::waiting);
        roster.moved(slot, TimePoint{});
        waiting.push_back(*client);
    }
    /// As at a burial: what the worker had goes on elsewhere or is lost, and its row is closed.
    void settle(std::uint32_t slot, bool goes_on_elsewhere) {
        const Scoreboard::Change change{board};
        SlotAccount& account = roster.account(slot);
        ScoreboardRow& row = board.row(slot);
        if (outcomes(row) != account.finished())
            connections.end(*account.end(numbers[slot]), Ending::in_worker());
        REQUIRE(outcomes(row) == account.finished());
        if (goes_on_elsewhere) take_back(slot);
        if (const auto client = account.lose(numbers[slot]))
            connections.end(*client, Ending::lost(ExitReason::signalled));
        REQUIRE(account.outstanding() == 0);
        roster.moved(slot, TimePoint{});
        row.returned = account.returned();
        row.begun = outcomes(row) + account.returned() + account.lost();
    }

    [[nodiscard]] std::uint64_t completed() {
        std::uint64_t sum = board.header().completed;
        for (std::uint32_t slot = 0; slot < slots; ++slot)
            sum += board.row(slot).completed;
        return sum;
    }

    /// Something that a master does.
    void step(std::mt19937& random) {
        const auto slot = static_cast<std::uint32_t>(random() % slots);
        switch (random() % 10) {
            case 0:
            case 1: return accept();
            case 2:
            case 3:
            case 4: return give(slot);
            case 5:
            case 6:
            case 7: return note(slot);
            case 8: return wake_one();
            default: break;
        }
        switch (random() % 4) {
            case 0: return end_one(parked, Ending::timed_out(Limit::idle));
            case 1: return end_one(waiting, Ending::refused(Refusal::overload));
            case 2: return end_one(parked, Ending::completed());
            default: return end_one(waiting, Ending::client_aborted());
        }
    }
};

/// A hands_off board with one slot: its worker was given 10, has counted 7 and is serving the eighth.
struct OneRow {
    Scoreboard board{1};
    ScoreboardReader reader{board.fd(), 1};
    ScoreboardRow& row = board.row(0);
    SlotEntry& entry = board.entry(0);

    OneRow() {
        board.header().hands_off = 1;
        board.header().depth = 3;
        board.header().accepted = 10;
        entry.stage = static_cast<std::uint32_t>(Stage::ready);
        entry.generation = 1;
        entry.handed = entry.given = 10;
        for (int i = 0; i < 7; ++i) {
            begin_one(row);
            end_one(row, i < 4 ? row.completed : row.failed);
        }
        begin_one(row);
    }
};

}  // namespace

TEST_SUITE("pool: snapshots of the scoreboard") {
    TEST_CASE("the totals tell idle from busy workers and account for every connection") {
        Scoreboard board{6};
        const ScoreboardReader reader{board.fd(), board.slots()};
        board.header().hands_off = 1;
        board.header().accepted = 20;
        board.header().queued = 1;
        board.header().lost[static_cast<std::size_t>(ExitReason::signalled)] = 2;
        const auto set = [&](std::uint32_t slot, Stage stage) {
            board.entry(slot).stage = static_cast<std::uint32_t>(stage);
            board.entry(slot).generation = 1;
        };
        set(0, Stage::ready);  // In a handler.
        board.entry(0).handed = board.entry(0).given = 10;
        board.row(0).begun = 10;
        board.row(0).completed = 6;
        board.row(0).failed = 1;
        board.row(0).client_aborted = 1;
        board.row(0).timed_out[static_cast<std::size_t>(Limit::read)] = 1;
        set(1, Stage::ready);  // Idle; two connections were lost in this slot.
        board.entry(1).handed = board.entry(1).given = 8;
        board.row(1).begun = 8;
        board.row(1).completed = 6;
        board.entry(1).lost = 2;
        set(2, Stage::ready);  // Handed one that it has not received yet.
        board.entry(2).handed = board.entry(2).given = 1;
        set(3, Stage::starting);
        set(4, Stage::draining);

        const PoolTotals sum = total(reader);
        CHECK(sum.busy == 2);
        CHECK(sum.idle == 1);
        CHECK(sum.starting == 1);
        CHECK(sum.draining == 1);
        CHECK(sum.begun == 1);
        CHECK(sum.queued == 2);
        CHECK(sum.completed == 12);
        CHECK(sum.lost == 2);
        CHECK(sum.unaccounted() == 0);
    }

    TEST_CASE(
        "while master and workers count at full speed, the law holds in each, and no counter goes back") {
        Accountants master;
        const ScoreboardReader reader{master.board.fd(), Accountants::slots};
        std::atomic<bool> done{false};
        Thread working{[&] {
            std::mt19937 random{1};
            std::array<std::uint64_t, Accountants::slots> begun{};
            while (!done) {
                for (std::uint32_t slot = 0; slot < Accountants::slots; ++slot) {
                    ScoreboardRow& row = master.board.row(slot);
                    if (master.board.entry(slot).handed == begun[slot]) continue;
                    ++begun[slot];
                    begin_one(row);
                    switch (random() % 4) {
                        case 0: return_one(row); break;
                        case 1: end_one(row, row.failed); break;
                        case 2: end_one(row, row.timed_out[static_cast<std::size_t>(Limit::read)]); break;
                        default: end_one(row, row.completed);
                    }
                }
            }
        }};
        Thread mastering{[&] {
            for (std::mt19937 random{2}; !done;)
                master.step(random);
        }};
        Snapshot last = take_snapshot(reader);
        int unaccounted = 0;
        int went_back = 0;
        int odd = 0;
        for (int taken = 0; taken < 1000 || last.totals.accepted < 1000; ++taken) {
            Snapshot next = take_snapshot(reader, &last);
            const PoolTotals& sum = next.totals;
            unaccounted += sum.unaccounted() != 0;
            went_back += !none_went_back(sum, last.totals);
            odd += sum.parked + sum.queued + sum.begun > 200 || sum.busy + sum.idle != Accountants::slots;
            last = std::move(next);
        }
        done = true;
        working.join();
        mastering.join();
        CHECK(unaccounted == 0);
        CHECK(went_back == 0);
        CHECK(odd == 0);
    }

    TEST_CASE("the law holds after each step, also of burials and of what is taken back") {
        std::mt19937 random{3};
        Accountants master;
        const ScoreboardReader reader{master.board.fd(), Accountants::slots};
        Snapshot last = take_snapshot(reader);
        for (int step = 0; step < 10'000; ++step) {
            const auto slot = static_cast<std::uint32_t>(random() % Accountants::slots);
            ScoreboardRow& row = master.board.row(slot);
            const SlotAccount& account = master.roster.account(slot);
            const std::uint64_t known = outcomes(row) + row.returned + account.lost();
            const bool has_one = account.handed() > known;
            switch (random() % 4) {
                case 0:
                    if (has_one && row.begun == known) begin_one(row);
                    if (has_one) random() % 3 == 0 ? return_one(row) : end_one(row, row.completed);
                    break;
                case 1:
                    if (random() % 8 != 0) break;
                    if (has_one && row.begun == known && random() % 2 == 0) begin_one(row);
                    if (row.returned != account.returned()) master.note(slot);
                    master.settle(slot, random() % 2 == 0);
                    break;
                case 2:
                    if (has_one && row.begun == known) master.take_back(slot);
                    break;
                default: master.step(random);
            }
            Snapshot next = take_snapshot(reader, &last);
            REQUIRE(next.totals.unaccounted() == 0);
            REQUIRE(none_went_back(next.totals, last.totals));
            REQUIRE(next.totals.completed == master.completed());  // Every row is believed.
            REQUIRE(next.totals.parked == master.parked.size());
            last = std::move(next);
        }
        CHECK(last.totals.accepted > 200);
        CHECK(last.totals.lost > 10);
    }

    TEST_CASE("whatever a broken worker writes, its last believable numbers stand in for it") {
        using Field = SharedCounter& (*)(ScoreboardRow&);
        const std::vector<Field> fields{
            [](ScoreboardRow& row) -> SharedCounter& { return row.accepted; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.begun; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.returned; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.completed; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.failed; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.client_aborted; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.refused; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.timed_out[0]; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.timed_out.back(); },
            [](ScoreboardRow& row) -> SharedCounter& { return row.busy_ns; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.queue_wait.counts[0]; },
            [](ScoreboardRow& row) -> SharedCounter& { return row.service.counts.back(); }};
        for (const bool with_last : {true, false}) {
            for (std::size_t i = 0; i < fields.size(); ++i) {
                for (const std::uint64_t garbage :
                     {largest, largest - 6, std::uint64_t{1} << 63, std::uint64_t{1} << 62}) {
                    CAPTURE(i);
                    CAPTURE(garbage);
                    OneRow one;
                    const Snapshot before = take_snapshot(one.reader);
                    REQUIRE(before.totals.completed == 4);
                    fields[i](one.row) = garbage;
                    const Snapshot then = take_snapshot(one.reader, with_last ? &before : nullptr);
                    CHECK(then.totals.unaccounted() == 0);
                    CHECK(then.totals.completed <= 4);
                    CHECK(then.totals.failed <= 3);
                    CHECK(then.totals.accepted == 10);
                    if (with_last) CHECK(none_went_back(then.totals, before.totals));
                    CHECK(then.slots[0].row.busy_ns <= 1'000'000'000'000U);
                }
            }
        }
    }

    TEST_CASE("a counter that goes back while one worker writes it is not believed until it is right again") {
        OneRow one;
        const Snapshot before = take_snapshot(one.reader);
        one.row.completed = 3;
        const Snapshot then = take_snapshot(one.reader, &before);
        CHECK(then.totals.completed == 4);
        CHECK(then.totals.unaccounted() == 0);
        one.row.completed = 5;
        const Snapshot after = take_snapshot(one.reader, &then);
        CHECK(after.totals.completed == 5);
        CHECK(after.totals.unaccounted() == 0);
    }

    TEST_CASE("connections that a worker claims to have accepted itself count only where workers accept") {
        OneRow one;
        one.row.accepted = 5;
        CHECK(total(one.reader).accepted == 10);
        CHECK(total(one.reader).unaccounted() == 0);
    }

    TEST_CASE("where workers accept, their own rows are the accounts, and garbage in one changes no other") {
        Scoreboard board{2};
        const ScoreboardReader reader{board.fd(), 2};
        for (const std::uint32_t slot : {0U, 1U}) {
            board.entry(slot).generation = 1;
            board.entry(slot).stage = static_cast<std::uint32_t>(Stage::ready);
            ScoreboardRow& row = board.row(slot);
            row.accepted = 10;
            row.begun = 10;
            row.completed = 6;
            row.failed = 1;
            row.refused = 1;
        }
        board.entry(1).lost = 1;
        const Snapshot before = take_snapshot(reader);
        CHECK(before.totals.accepted == 20);
        CHECK(before.totals.begun == 3);
        CHECK(before.totals.refused == 2);
        CHECK(before.totals.refused_by[static_cast<std::size_t>(Refusal::stopping)] == 2);
        for (const std::uint64_t garbage : {largest, std::uint64_t{1} << 60, std::uint64_t{0}}) {
            board.row(0).accepted = garbage;
            board.row(0).completed = garbage;
            const Snapshot then = take_snapshot(reader, &before);
            CHECK(none_went_back(then.totals, before.totals));
            CHECK(then.totals.accepted == 20);
        }
    }

    TEST_CASE("after the burial of a broken worker its row was put right, and is believed again") {
        // It had counted 7, of which the master knew 5, when it wrote nonsense; with it the master lost 5.
        for (const bool refilled : {false, true}) {
            OneRow one;
            Snapshot last = take_snapshot(one.reader);
            one.row.completed = largest;
            last = take_snapshot(one.reader, &last);
            REQUIRE(last.totals.completed == 4);
            {
                const Scoreboard::Change change{one.board};
                one.row.completed = 5;
                one.row.failed = 0;
                one.row.begun = 10;
                one.entry.lost = 5;
                one.board.header().lost[static_cast<std::size_t>(ExitReason::replaced)] = 5;
                one.entry.stage = static_cast<std::uint32_t>(refilled ? Stage::starting : Stage::vacant);
                if (refilled) one.entry.generation = 2;
            }
            for (int i = 0; i < 3; ++i) {
                last = take_snapshot(one.reader, &last);
                CHECK(last.totals.unaccounted() == 0);
                CHECK(last.totals.lost == 5);
                CHECK(last.totals.begun + last.totals.queued == 0);
            }
        }
    }

    TEST_CASE("a slot that no worker has ever had counts nothing, whatever lies in its row") {
        Scoreboard board{1};
        const ScoreboardReader reader{board.fd(), 1};
        board.row(0).completed = 7;
        const PoolTotals sum = total(reader);
        CHECK(sum.completed == 0);
        CHECK(sum.idle + sum.busy + sum.starting + sum.draining == 0);
    }

    TEST_CASE("a master that died within a change leaves numbers that can still be read") {
        OneRow one;
        one.board.header().version = 1;
        CHECK(total(one.reader).completed == 4);
    }
}
