#include "metrics/health.hpp"

namespace bullpen {

constexpr auto relaxed = std::memory_order_relaxed;

std::optional<std::string> why_unhealthy(const std::vector<PoolView>& pools, std::uint64_t now_ns,
                                         std::chrono::seconds heartbeat_age_max) {
    const auto age_max_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds{heartbeat_age_max}.count());
    for (const PoolView& pool : pools) {
        const std::uint64_t heartbeat_ns = pool.board.header().heartbeat_ns.load(relaxed);
        if (heartbeat_ns < now_ns && now_ns - heartbeat_ns > age_max_ns)
            return "The master has not looked after pool " + pool.name + " for more than " +
                   std::to_string(heartbeat_age_max.count()) + " s.";
    }
    return std::nullopt;
}

std::optional<std::string> why_unready(const std::vector<PoolView>& pools) {
    for (const PoolView& pool : pools) {
        const ScoreboardHeader& header = pool.board.header();
        if (header.draining.load(relaxed) != 0) return "Pool " + pool.name + " is draining.";
        if (header.spare_max.load(relaxed) == 0) continue;
        const PoolTotals now = total(pool.board);
        const std::string failure = header.start_failure.read();
        if (now.ready == 0)
            return "Pool " + pool.name + " has no ready worker (" + std::to_string(now.starting) +
                   " starting)" + (failure.empty() ? "." : "; the last one didn't start: " + failure + ".");
    }
    return std::nullopt;
}

}  // namespace bullpen
