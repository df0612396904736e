/// Of a Pool, the request limit: a worker that is busy with one request for too long is told to stop and, if
/// it won't, killed (FPM's request_terminate_timeout, Unicorn's timeout).
#include <signal.h>

#include <cstdio>

#include "core/log.hpp"
#include "pool/pool.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

void Pool::end_slow_workers(TimePoint now) noexcept {
    if (options_.request_limit.count() == 0) return;
    ready_.for_each([&](std::uint32_t slot) {
        const auto elapsed = busy_with_one_request(slot, now);
        if (elapsed >= options_.request_limit) end_slow(slot, elapsed, now);
    });
    draining_.for_each([&](std::uint32_t number) {
        Slot& slot = slots_[number];
        if (slot.ended_by_us != ExitReason::request_limit || now - slot.told_at < options_.request_grace)
            return;
        slot.told_at = now;
        ::kill(slot.pid, SIGKILL);
    });
}

/// By its own word: a broken worker gains nothing by lying but its own end, or a little time.
std::chrono::nanoseconds Pool::busy_with_one_request(std::uint32_t number, TimePoint now) const noexcept {
    const std::uint64_t begun_ns = scoreboard_.row(number).note.begun_ns.load(relaxed);
    const auto now_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
    if (begun_ns == 0 || begun_ns >= now_ns || slots_[number].ended_by_us) return {};
    return std::chrono::nanoseconds{now_ns - begun_ns};
}

/// Its whole process; the other threads of it finish what they have begun, as far as the grace lasts.
void Pool::end_slow(std::uint32_t number, std::chrono::nanoseconds elapsed, TimePoint now) noexcept {
    log_slow(number, elapsed);
    const SlotRange process = process_of(number);
    for (std::uint32_t slot = process.first; slot < process.end; ++slot) {
        slots_[slot].ended_by_us = ExitReason::request_limit;
        slots_[slot].told_at = now;
        take_back_queued(slots_[slot]);
        scoreboard_.entry(slot).handed.store(slots_[slot].handed, relaxed);
        ready_.erase(slot);
        forget(slot);
        draining_.insert(slot);
        set_stage(slot, Stage::draining);
    }
    ::kill(slots_[process.first].pid, SIGTERM);
}

void Pool::log_slow(std::uint32_t number, std::chrono::nanoseconds elapsed) const noexcept {
    const Slot& slot = slots_[number];
    const std::string request = scoreboard_.row(number).note.read();
    std::array<char, 32> seconds{};
    std::snprintf(seconds.data(), seconds.size(), "%.1f s", static_cast<double>(elapsed.count()) / 1e9);
    log(LogLevel::warning,
        "slow request: worker " + options_.name + "/" + std::to_string(number) + " (pid " +
            std::to_string(slot.pid) + ")" +
            (slot.given.empty() ? "" : ", client " + slot.given.front().account.peer.text()) +
            (request.empty() ? "" : ", \"" + request + "\"") + ", " + seconds.data() +
            "; it is told to stop");
}

}  // namespace bullpen
