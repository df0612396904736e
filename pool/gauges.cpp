#include "pool/gauges.hpp"

#include <algorithm>
#include <string>

#include "core/log.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

}  // namespace

/// The sum falls when a worker's own socket is closed.
void Gauges::note_dropped(ListenQueueWords& queue, std::uint64_t sum) noexcept {
    const std::uint64_t known = queue.dropped_known.exchange(sum, relaxed);
    if (sum > known) add(queue.dropped, sum - known);
}

Gauges::Gauges(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard)
    : options_{options}, shape_{shape}, header_{scoreboard.header()} {
    publish_limits();
    header_.hands_off = shape.pick != Pick::never;
    header_.depth = static_cast<std::uint32_t>(shape.depth);
    header_.spare = static_cast<std::uint32_t>(options.limits.workers_start);
    header_.heartbeat_ns = monotonic_ns();
}

void Gauges::publish_limits() noexcept {
    const PoolLimits& limits = options_.limits;
    const bool fixed = limits.policy == SizingPolicy::fixed;
    const bool idles = !shape_.forks_for_each;
    header_.workers_max = static_cast<std::uint32_t>(limits.workers_max);
    header_.spare_min = static_cast<std::uint32_t>(!idles || fixed ? 0 : limits.spare_min);
    header_.spare_max = static_cast<std::uint32_t>(!idles  ? 0
                                                   : fixed ? limits.workers_max
                                                           : limits.spare_max);
}

void Gauges::publish(const Roster& roster, bool serving, TimePoint now) noexcept {
    if (saturated_) {
        const auto span = std::chrono::nanoseconds{now - saturated_since_}.count();
        add(header_.saturated_ns, static_cast<std::uint64_t>(std::max<std::int64_t>(0, span)));
    }
    const bool saturated = roster.is_saturated();
    saturated_since_ = now;
    constexpr std::chrono::seconds between_warnings{10};
    const bool worth_a_line = serving && options_.design.workers_fixed == 0;
    if (worth_a_line && saturated && !saturated_ && now - warned_ >= between_warnings) {
        warned_ = now;
        log(LogLevel::warning, "pool " + options_.name + ": saturated: all " +
                                   std::to_string(options_.limits.workers_max) +
                                   " workers (workers-max) are busy; further clients wait in the backlog");
    }
    saturated_ = saturated;

    // Where workers accept by themselves, `spare` is the number of idle ones less 1, so that a worker lets
    // its idle client go while another worker is still idle.
    const int idle = roster.count().idle;
    const int spare = shape_.pick == Pick::never ? std::max(0, idle - 1) : idle;
    header_.spare.store(static_cast<std::uint32_t>(spare), relaxed);
    header_.heartbeat_ns.store(static_cast<std::uint64_t>(now.time_since_epoch().count()), relaxed);
}

bool Gauges::sample(const Door& door, const Workforce& workforce, TimePoint now) noexcept {
    constexpr std::chrono::seconds interval{1};
    if (now - sampled_ < interval) return false;
    sampled_ = now;
    header_.log_lines_dropped.store(dropped_before_ + log_lines_dropped(), relaxed);
    for (std::size_t i = 0; i < door.listeners().size(); ++i) {
        const ListenQueue shared = door.listeners()[i].queue().value_or(ListenQueue{});
        const ListenQueue own = workforce.queue_of(i);
        header_.listen_queues[i].length.store(shared.length + own.length, relaxed);
        header_.listen_queues[i].limit.store(shared.limit + own.limit, relaxed);
        note_dropped(header_.listen_queues[i], door.listeners()[i].dropped() + workforce.dropped_of(i));
    }
    return true;
}

}  // namespace bullpen
