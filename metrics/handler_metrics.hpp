/// The metrics that handlers count (bullpen/metrics.hpp): those of a pool's workers as one.
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <vector>

#include "core/metric_definition.hpp"
#include "metrics/pool_view.hpp"

namespace bullpen {

/// A counter or a histogram doesn't decrease from one call to the next, also if a broken worker has damaged
/// its memory.
class HandlerMetrics {
public:
    /// Adds a family for each metric of these pools whose samples' names aren't in `families` yet.
    void add_to(std::vector<prometheus::MetricFamily>& families, const std::vector<PoolView>& pools);

private:
    /// One set of labels of a metric in a pool. A counter and a gauge have one value; a histogram's are its
    /// buckets' counts and behind them their sum.
    struct Sum {
        metrics::MetricDefinition definition;
        std::vector<prometheus::ClientMetric::Label> labels;
        std::vector<double> values{};  ///< Of this call.
        std::vector<double> last{};    ///< Of the call before.
        std::vector<double> lost{};    ///< By which they have decreased since the first call.
        bool is_set = false;           ///< In this call.
    };

    void read(const PoolView& pool);
    void add(const SeriesReading::Record& record, const metrics::MetricDefinition& definition,
             const std::string& pool);

    std::map<std::string, Sum> sums_;  ///< By the metric's name, the pool and the labels.
};

}  // namespace bullpen
