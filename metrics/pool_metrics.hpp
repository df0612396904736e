/// The pools' metrics for Prometheus: the one list of metrics with their names, kinds and help texts.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "metrics/handler_metrics.hpp"
#include "metrics/pool_view.hpp"

namespace bullpen {

class PoolMetrics final : public prometheus::Collectable {
public:
    /// `pools` is borrowed and must outlive this object.
    PoolMetrics(const std::vector<PoolView>& pools, std::string version);

    /// Every metric family with its values at this moment. Whatever a broken worker has written to its row,
    /// the call takes the same time, and no counter decreases from one call to the next. Not thread-safe.
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

private:
    const std::vector<PoolView>& pools_;
    std::string version_;
    mutable HandlerMetrics of_handlers_;
    mutable std::vector<Snapshot> last_;  ///< One for each pool, taken by the last Collect().
};

}  // namespace bullpen
