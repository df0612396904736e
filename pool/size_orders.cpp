#include "pool/size_orders.hpp"

#include <optional>
#include <string>

#include "pool/sizing.hpp"

namespace bullpen {

void SizeOrders::adopt() noexcept {
    if (const int workers = carried_out_[0].workers_more(); workers != 0)
        options_.limits =
            changed_by(options_.limits, workers, workers_most(options_, shape_)).value_or(options_.limits);
}

void SizeOrders::forget_changes() noexcept {
    carried_out_[0].set(carried_out_[0].orders(), 0);
}

ControlAnswer SizeOrders::carry_out(int processes, std::uint64_t number) {
    constexpr int refused = 2;
    const std::string pool = "pool " + options_.name + ": ";
    if (options_.design.workers_fixed > 0 || shape_.sizes_itself || shape_.forks_for_each)
        return {refused, pool + "model " + std::string{options_.design.name} +
                             " has no number of workers that could be changed"};
    const auto order = static_cast<std::uint32_t>(number);
    if (Word& word = carried_out_[0]; word.orders() <= order) {
        const int workers = processes * static_cast<int>(shape_.slots_of_a_process);
        const std::optional<PoolLimits> changed =
            changed_by(options_.limits, workers, workers_most(options_, shape_));
        const int before = word.workers_more();
        word.set(order + 1, changed ? before + workers : before);
        if (!changed)
            return {refused, pool +
                                 (processes > 0 ? "there is no room for one worker more: workers-max is "
                                                : "it can't have one worker less, with ") +
                                 std::to_string(options_.limits.workers_max)};
        options_.limits = *changed;
    }
    const PoolLimits& now = options_.limits;
    if (now.policy == SizingPolicy::fixed) return {0, pool + std::to_string(now.workers_max) + " workers"};
    return {0, pool + "from " + std::to_string(now.spare_min) + " to " + std::to_string(now.spare_max) +
                   " spare workers"};
}

}  // namespace bullpen
