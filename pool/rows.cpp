#include "pool/rows.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <cstring>

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

void Rows::begin(std::uint32_t slot) noexcept {
    ScoreboardRow& row = scoreboard_.row(slot);
    std::memcpy(born_with_[slot].data(), static_cast<const void*>(&row), sizeof row);
    const Activity activity = shape_.sizes_itself ? Activity::absent : Activity::starting;
    row.activity.store(static_cast<std::uint32_t>(activity), relaxed);
    row.begun_at_ns.store(0, relaxed);
    row.note.begun_ns.store(0, relaxed);
}

void Rows::note_program(std::uint32_t slot, TimePoint client_since) noexcept {
    ScoreboardRow& row = scoreboard_.row(slot);
    const std::uint64_t begun_ns = monotonic_ns();
    const auto since_ns = static_cast<std::uint64_t>(client_since.time_since_epoch().count());
    add(row.begun);
    row.begun_at_ns.store(begun_ns, relaxed);
    row.note.begun_ns.store(begun_ns, relaxed);
    row.activity.store(static_cast<std::uint32_t>(Activity::busy), relaxed);
    row.queue_wait.record(begun_ns - std::min(begun_ns, since_ns));
}

void Rows::note_program_end(std::uint32_t slot, int status) noexcept {
    ScoreboardRow& row = scoreboard_.row(slot);
    if (!WIFEXITED(status)) return;  // The connection counts as lost.
    const std::uint64_t served_ns = monotonic_ns() - row.begun_at_ns.load(relaxed);
    row.service.record(served_ns);
    add(row.busy_ns, served_ns);
    add(WEXITSTATUS(status) == 0 ? row.completed : row.failed);
}

std::optional<std::uint64_t> Rows::held_by_acceptor(std::uint32_t slot) const noexcept {
    const ScoreboardRow& row = scoreboard_.row(slot);
    const std::uint64_t ended = outcomes(row);
    const std::uint64_t lost_before = scoreboard_.entry(slot).lost.load(relaxed);
    const std::uint64_t had = row.accepted.load(relaxed) - ended - lost_before;
    if (ended < at_birth(slot).ended || had > shape_.held) return {};
    return had;
}

bool Rows::is_possible(std::uint32_t slot, std::uint64_t given) const noexcept {
    const ScoreboardRow& row = scoreboard_.row(slot);
    const auto counts_no_more = [given](const DurationHistogram& histogram) {
        std::uint64_t sum = 0;
        for (const auto& count : histogram.counts) {
            const std::uint64_t more = count.load(relaxed);
            if (more > given) return false;
            sum += more;
        }
        return sum <= given;
    };
    const std::uint64_t age_ns = monotonic_ns() - scoreboard_.header().started_ns.load(relaxed);
    return row.begun.load(relaxed) <= given && row.busy_ns.load(relaxed) <= age_ns &&
           counts_no_more(row.queue_wait) && counts_no_more(row.service);
}

void Rows::restore(std::uint32_t slot) noexcept {
    std::memcpy(static_cast<void*>(&scoreboard_.row(slot)), born_with_[slot].data(), born_with_[slot].size());
}

void Rows::close(std::uint32_t slot, const SlotAccount& account) noexcept {
    ScoreboardRow& row = scoreboard_.row(slot);
    const std::uint64_t finished = outcomes(row);
    if (shape_.pick == Pick::never) row.finished.store(finished, relaxed);
    row.returned.store(account.returned(), relaxed);
    row.begun.store(finished + account.returned() + account.lost(), relaxed);
    row.begun_at_ns.store(0, relaxed);
    row.note.begun_ns.store(0, relaxed);
}

bool Rows::served_since_birth(SlotRange process) const noexcept {
    for (std::uint32_t slot = process.first; slot < process.end; ++slot) {
        const ScoreboardRow& row = scoreboard_.row(slot);
        const Counts before = at_birth(slot);
        if (outcomes(row) != before.ended || row.returned.load(relaxed) != before.returned) return true;
    }
    return false;
}

Rows::Counts Rows::at_birth(std::uint32_t slot) const noexcept {
    ScoreboardRow row{};
    std::memcpy(static_cast<void*>(&row), born_with_[slot].data(), sizeof row);
    return {.ended = outcomes(row), .returned = row.returned.load(relaxed)};
}

}  // namespace bullpen
