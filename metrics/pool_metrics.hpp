/// The pools' numbers in Prometheus's form: the one list of what is exported, under which name.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "metrics/pool_view.hpp"

namespace bullpen {

class PoolMetrics final : public prometheus::Collectable {
public:
    /// `pools` must outlive it.
    PoolMetrics(const std::vector<PoolView>& pools, std::string version);

    /// Every family, with the numbers of now. Whatever a broken worker has written to its row, this takes the
    /// same time, and no counter goes back. One thread.
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    const std::vector<PoolView>& pools_;
    std::string version_;
    mutable std::vector<Snapshot> last_;  ///< Of each pool, from the last collection.
};

}  // namespace bullpen
