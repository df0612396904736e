#include "pool/snapshot.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include <bullpen/clock.hpp>

namespace bullpen {
namespace {

template <typename Number>
Number load(const std::atomic<Number>& shared) noexcept {
    return shared.load(std::memory_order_acquire);
}

/// a + b, or 2^64 - 1: values that broken workers wrote must not make a sum wrap.
constexpr std::uint64_t add_saturating(std::uint64_t a, std::uint64_t b) noexcept {
    return a + b < a ? ~std::uint64_t{0} : a + b;
}

template <typename Numbers>
std::uint64_t sum_of(const Numbers& numbers) noexcept {
    return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0}, add_saturating);
}

template <std::size_t size>
void copy(const std::array<SharedCounter, size>& from, std::array<std::uint64_t, size>& to) noexcept {
    for (std::size_t i = 0; i < size; ++i)
        to[i] = load(from[i]);
}

HistogramNumbers copy(const DurationHistogram& shared) noexcept {
    HistogramNumbers numbers;
    copy(shared.counts, numbers.counts);
    numbers.sum_ns = load(shared.sum_ns);
    return numbers;
}

/// Reads the counts of endings before those of beginnings. A worker raises them in the other order, so that
/// no copy has more endings than beginnings.
RowNumbers copy(const ScoreboardRow& row) noexcept {
    RowNumbers numbers;
    numbers.completed = load(row.completed);
    numbers.failed = load(row.failed);
    numbers.client_aborted = load(row.client_aborted);
    numbers.refused = load(row.refused);
    copy(row.timed_out, numbers.timed_out);
    numbers.service = copy(row.service);
    numbers.returned = load(row.returned);
    numbers.busy_ns = load(row.busy_ns);
    numbers.queue_wait = copy(row.queue_wait);
    numbers.begun = load(row.begun);
    numbers.accepted = load(row.accepted);
    return numbers;
}

/// A copy of the master's accounts, which change together.
struct Accounts {
    bool at_rest = true;  ///< False: copied in the middle of a change.
    std::uint64_t accepted = 0;
    std::uint64_t queued = 0;
    std::uint64_t parked = 0;
    std::uint64_t completed = 0;
    std::uint64_t client_aborted = 0;
    std::array<std::uint64_t, limits_count> timed_out{};
    std::array<std::uint64_t, refusals> refused{};
    std::array<std::uint64_t, exit_reasons> lost{};
};

Accounts copy_accounts(const ScoreboardReader& board, std::vector<SlotNumbers>& slots) noexcept {
    const ScoreboardHeader& header = board.header();
    Accounts accounts{.accepted = load(header.accepted),
                      .queued = load(header.queued),
                      .parked = load(header.parked),
                      .completed = load(header.completed),
                      .client_aborted = load(header.client_aborted)};
    copy(header.timed_out, accounts.timed_out);
    copy(header.refused, accounts.refused);
    copy(header.lost, accounts.lost);
    for (std::uint32_t slot = 0; slot < board.slots(); ++slot) {
        const SlotEntry& entry = board.entry(slot);
        slots[slot].stage = static_cast<Stage>(load(entry.stage));
        slots[slot].generation = load(entry.generation);
        slots[slot].handed = load(entry.handed);
        slots[slot].returned = load(entry.returned);
        slots[slot].lost = load(entry.lost);
        slots[slot].given = load(entry.given);
    }
    return accounts;
}

/// Copies the accounts between two changes. A change takes less than a microsecond, but the master may have
/// lost its CPU in the middle of one, perhaps to this process. If no rest comes within about 200 ms, because
/// the master was stopped or killed there, copies them as they are.
Accounts copy_accounts_at_rest(const ScoreboardReader& board, std::vector<SlotNumbers>& slots) {
    constexpr int naps = 200;
    constexpr std::chrono::milliseconds nap{1};
    constexpr int tries = 1000;  // Tries between two naps.
    for (int i = 0; i < naps * tries; ++i) {
        if (i % tries == tries - 1) std::this_thread::sleep_for(nap);
        const std::uint32_t before = load(board.header().version);
        if (before % 2 != 0) continue;
        const Accounts accounts = copy_accounts(board, slots);
        if (load(board.header().version) == before) return accounts;
    }
    Accounts accounts = copy_accounts(board, slots);
    accounts.at_rest = false;
    return accounts;
}

/// The most connections that a worker can have begun with by now. One that was given to another worker after
/// a crash may have been counted here before.
std::uint64_t connections_possible(const SlotNumbers& slot, bool hands_off, const SlotNumbers* last,
                                   double elapsed_s) noexcept {
    if (hands_off) return slot.given;
    constexpr double accepts_per_second = 1e7;  // No process of today accepts faster.
    return (last != nullptr ? last->row.accepted : 0) +
           static_cast<std::uint64_t>((1 + elapsed_s) * accepts_per_second);
}

/// Whether the row is possible by the master's accounts.
bool is_possible(const SlotNumbers& slot, bool hands_off, const SlotNumbers* last, double elapsed_s,
                 std::uint64_t age_ns) noexcept {
    const RowNumbers& row = slot.row;
    const std::uint64_t most = connections_possible(slot, hands_off, last, elapsed_s);
    const std::uint64_t gone = slot.returned + slot.lost;
    return row.ended() <= most && (!hands_off || row.ended() + gone <= slot.handed) && row.begun <= most &&
           (hands_off || row.accepted <= most) && row.returned <= row.begun && row.busy_ns <= age_ns &&
           sum_of(row.queue_wait.counts) <= most && sum_of(row.service.counts) <= most;
}

/// Whether a counter of the row has decreased, which is impossible while one worker writes it.
bool has_gone_back(const SlotNumbers& slot, const SlotNumbers* last) noexcept {
    if (last == nullptr || last->generation != slot.generation) return false;
    const RowNumbers& now = slot.row;
    const RowNumbers& then = last->row;
    return now.accepted < then.accepted || now.begun < then.begun || now.returned < then.returned ||
           now.ended() < then.ended();
}

void keep(std::uint64_t& number, std::uint64_t at_least) noexcept {
    number = std::max(number, at_least);
}

void keep(HistogramNumbers& now, const HistogramNumbers& then) noexcept {
    for (std::size_t bucket = 0; bucket < histogram_buckets; ++bucket)
        keep(now.counts[bucket], then.counts[bucket]);
    keep(now.sum_ns, then.sum_ns);
}

/// Keeps counters from decreasing after a burial has put right a row whose earlier, false values were
/// accepted. The number of endings is the row's; how they are divided among outcomes is kept as it was shown
/// first. Returns false if that is impossible.
bool keep_from_going_back(RowNumbers& now, const RowNumbers& then) noexcept {
    const std::uint64_t ended = now.ended();
    keep(now.failed, then.failed);
    keep(now.client_aborted, then.client_aborted);
    keep(now.refused, then.refused);
    for (std::size_t limit = 0; limit < limits_count; ++limit)
        keep(now.timed_out[limit], then.timed_out[limit]);
    now.completed = 0;
    const std::uint64_t others = now.ended();
    if (others > ended || ended - others < then.completed) return false;
    now.completed = ended - others;
    keep(now.busy_ns, then.busy_ns);
    keep(now.queue_wait, then.queue_wait);
    keep(now.service, then.service);
    return true;
}

std::uint64_t given_to(const SlotNumbers& slot, const RowNumbers& row, bool hands_off) noexcept {
    return hands_off ? slot.handed - slot.returned : row.accepted;
}

bool has_room_for(const RowNumbers& row, const SlotNumbers& slot, bool hands_off) noexcept {
    return row.ended() + slot.lost <= given_to(slot, row, hands_off);
}

/// Needs has_room_for().
std::uint64_t in_flight_of(const SlotNumbers& slot, bool hands_off) noexcept {
    return given_to(slot, slot.row, hands_off) - slot.row.ended() - slot.lost;
}

/// Calls change(counter of a, counter of b) for each pair of counters.
template <typename Change>
void combine(RowNumbers& a, const RowNumbers& b, Change change) noexcept {
    const auto histograms = [&change](HistogramNumbers& c, const HistogramNumbers& d) {
        for (std::size_t bucket = 0; bucket < histogram_buckets; ++bucket)
            change(c.counts[bucket], d.counts[bucket]);
        change(c.sum_ns, d.sum_ns);
    };
    for (auto member :
         {&RowNumbers::accepted, &RowNumbers::begun, &RowNumbers::returned, &RowNumbers::completed,
          &RowNumbers::failed, &RowNumbers::client_aborted, &RowNumbers::refused, &RowNumbers::busy_ns})
        change(a.*member, b.*member);
    for (std::size_t limit = 0; limit < limits_count; ++limit)
        change(a.timed_out[limit], b.timed_out[limit]);
    histograms(a.queue_wait, b.queue_wait);
    histograms(a.service, b.service);
}

/// A burial has put back the row of a worker that accepted by itself; what the worker had counted before is
/// known only from `last`. That is added to the row from now on, with the connections in its hands as
/// completed.
void carry_on(SlotNumbers& slot, const RowNumbers& put_back, const SlotNumbers& last) noexcept {
    const auto subtract = [](std::uint64_t& a, std::uint64_t b) { a = a > b ? a - b : 0; };
    slot.carried = last.row;
    slot.carried.completed += last.row.accepted - std::min(last.row.accepted, last.row.ended() + slot.lost);
    slot.row = slot.carried;
    combine(slot.carried, put_back, subtract);
}

/// Accepts the row as read and returns true; or, if it is impossible, replaces it by the values in `last` and
/// returns false. A row that contradicts `last` is accepted nevertheless if `last` no longer fits the
/// accounts: then a burial has put the row right and counts as lost what its broken worker had counted as
/// ended.
bool believe(SlotNumbers& slot, bool hands_off, const SlotNumbers* last, double elapsed_s,
             std::uint64_t age_ns) noexcept {
    const RowNumbers raw = slot.row;
    if (last != nullptr) slot.carried = last->carried;
    combine(slot.row, slot.carried, [](std::uint64_t& a, std::uint64_t b) { a = add_saturating(a, b); });
    const RowNumbers as_read = slot.row;
    const bool possible = is_possible(slot, hands_off, last, elapsed_s, age_ns);
    if (possible && last == nullptr) return true;
    const bool put_back = possible && !hands_off && last->generation != slot.generation &&
                          (slot.row.accepted < last->row.accepted || slot.row.ended() < last->row.ended());
    if (put_back) {
        carry_on(slot, raw, *last);
        return true;
    }
    if (possible && !has_gone_back(slot, last) && keep_from_going_back(slot.row, last->row)) return true;
    if (possible && !has_room_for(last->row, slot, hands_off)) {
        slot.row = as_read;
        return true;
    }
    slot.row = last != nullptr ? last->row : RowNumbers{};
    if (!hands_off && has_room_for(slot.row, slot, hands_off))  // How these connections ended is unknown.
        slot.row.completed += in_flight_of(slot, hands_off);
    return false;
}

void add_row(PoolTotals& sum, const RowNumbers& row, bool hands_off) noexcept {
    if (!hands_off) sum.accepted += row.accepted;
    sum.completed += row.completed;
    sum.failed += row.failed;
    sum.client_aborted += row.client_aborted;
    sum.refused_by[static_cast<std::size_t>(Refusal::stopping)] += row.refused;
    for (std::size_t limit = 0; limit < limits_count; ++limit)
        sum.timed_out[limit] += row.timed_out[limit];
}

/// Adds the slot to the sum. Returns false if the row was read before a burial and the accounts after it.
bool add_slot(PoolTotals& sum, const SlotNumbers& slot, bool hands_off) noexcept {
    if (!has_room_for(slot.row, slot, hands_off)) return false;
    const std::uint64_t in_flight = in_flight_of(slot, hands_off);
    const std::uint64_t away = slot.row.ended() + slot.row.returned + slot.lost;
    const std::uint64_t begun = slot.row.begun > away ? std::min(slot.row.begun - away, in_flight) : 0;
    const std::uint64_t in_handler = hands_off ? begun : in_flight;
    add_row(sum, slot.row, hands_off);
    sum.begun += in_handler;
    sum.queued += in_flight - in_handler;
    switch (slot.stage) {
        case Stage::starting: ++sum.starting; break;
        case Stage::ready:
            ++sum.ready;
            if (in_flight > 0)
                ++sum.busy;
            else if (hands_off || slot.activity != Activity::absent)
                ++sum.idle;
            break;
        case Stage::draining: ++sum.draining; break;
        case Stage::vacant: break;
    }
    return true;
}

}  // namespace

std::int64_t PoolTotals::unaccounted() const noexcept {
    const std::uint64_t ended = completed + failed + client_aborted + sum_of(timed_out) + refused + lost;
    return static_cast<std::int64_t>(accepted - ended - parked - queued - begun);
}

std::uint64_t RowNumbers::ended() const noexcept {
    std::uint64_t sum = sum_of(timed_out);
    for (const std::uint64_t outcome : {completed, failed, client_aborted, refused})
        sum = add_saturating(sum, outcome);
    return sum;
}

Snapshot take_snapshot(const ScoreboardReader& board, const Snapshot* last) {
    constexpr int tries = 100;  // A try is rarely inconsistent.
    Snapshot snapshot;
    snapshot.slots.resize(board.slots());
    const bool hands_off = load(board.header().hands_off) != 0;
    const std::uint64_t depth = load(board.header().depth);
    for (int i = 0; i < tries; ++i) {
        for (std::uint32_t slot = 0; slot < board.slots(); ++slot) {
            if (load(board.entry(slot).generation) == 0) continue;
            snapshot.slots[slot].row = copy(board.row(slot));
            snapshot.slots[slot].activity = static_cast<Activity>(load(board.row(slot).activity));
        }
        const Accounts accounts = copy_accounts_at_rest(board, snapshot.slots);
        snapshot.taken_ns = monotonic_ns();
        const std::uint64_t started_ns = load(board.header().started_ns);
        const std::uint64_t since_ns = last != nullptr ? last->taken_ns : started_ns;
        const double elapsed_s = static_cast<double>(snapshot.taken_ns - since_ns) / 1e9;

        PoolTotals& sum = snapshot.totals;
        sum = {.accepted = accounts.accepted,
               .completed = accounts.completed,
               .client_aborted = accounts.client_aborted,
               .timed_out = accounts.timed_out,
               .refused_by = accounts.refused,
               .lost_by = accounts.lost,
               .parked = accounts.parked,
               .queued = accounts.queued};
        bool consistent = true;
        for (std::uint32_t number = 0; number < board.slots(); ++number) {
            SlotNumbers& slot = snapshot.slots[number];
            const SlotNumbers* const before = last != nullptr ? &last->slots[number] : nullptr;
            const bool believed = believe(slot, hands_off, before, elapsed_s, snapshot.taken_ns - started_ns);
            consistent = add_slot(sum, slot, hands_off) && consistent;
            // Time passed between reading row and accounts: connections that came and went would seem in
            // flight.
            if (believed && hands_off && in_flight_of(slot, hands_off) > depth) consistent = false;
        }
        sum.refused = sum_of(sum.refused_by);
        sum.lost = sum_of(sum.lost_by);
        if (consistent || !accounts.at_rest) break;
    }
    return snapshot;
}

PoolTotals total(const ScoreboardReader& board) {
    return take_snapshot(board).totals;
}

}  // namespace bullpen
