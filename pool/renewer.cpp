#include "pool/renewer.hpp"

#include <algorithm>

#include "core/log.hpp"
#include "pool/renewal.hpp"

namespace bullpen {

Renewer::Renewer(const PoolOptions& options, const PoolShape& shape, Workforce& workforce)
    : options_{options}, shape_{shape}, workforce_{workforce} {}

/// In a model that forks for each client there is nothing to replace, and a single process of threads can't
/// be.
void Renewer::begin(TimePoint now) noexcept {
    const RenewalCounts counts = workforce_.count_editions();
    under_way_ = counts.stale > 0 && !shape_.forks_for_each && !shape_.sizes_itself;
    const int most = options_.limits.workers_max / static_cast<int>(shape_.slots_of_a_process);
    processes_wanted_ = std::min(counts.stale + counts.fresh_starting + counts.fresh_ready, most);
    moved_at_ = now;
}

bool Renewer::attend(TimePoint now) noexcept {
    RenewalCounts counts = workforce_.count_editions();
    counts.wanted = processes_wanted_;
    under_way_ = counts.stale > 0;
    if (!under_way_) return false;
    if (counts.fresh_ready > renewed_) moved_at_ = now;
    renewed_ = counts.fresh_ready;
    if (now - moved_at_ >= options_.renewal_timeout) {
        log(LogLevel::error, "pool " + options_.name +
                                 ": no worker becomes ready that was started with the new configuration; the "
                                 "others serve on with the old one");
        failed_ = true;
        under_way_ = false;
        return false;
    }
    const Renewal plan = options_.design.lends_listener ? plan_succession(counts)
                                                        : plan_renewal(counts, std::max(1, options_.reserve));
    workforce_.retire_stale(plan.retire, now);
    if (plan.start > 0 && workforce_.may_start(now))
        workforce_.grow(plan.start * static_cast<int>(shape_.slots_of_a_process), now);
    return true;
}

}  // namespace bullpen
