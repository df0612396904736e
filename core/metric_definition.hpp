/// What a metric is: its kind, its name, its help text and its labels.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bullpen/metrics.hpp>

namespace bullpen {

constexpr std::size_t metric_labels_max = 8;
constexpr std::size_t metric_bounds_max = 40;
constexpr std::size_t label_value_max = 200;  ///< Bytes.

}  // namespace bullpen

namespace bullpen::metrics {

struct MetricDefinition {
    MetricKind kind = MetricKind::counter;
    OverWorkers over = OverWorkers::sum;
    std::string name{};
    std::string help{};
    std::vector<std::string> labels{};
    std::vector<double> bounds{};  ///< Of a histogram's buckets, without +Inf.

    bool operator==(const MetricDefinition&) const = default;

    /// The counts of a series: of a histogram one for each bucket, with +Inf.
    [[nodiscard]] std::size_t counts() const noexcept {
        switch (kind) {
            case MetricKind::counter: return 1;
            case MetricKind::gauge: return 0;
            case MetricKind::histogram: break;
        }
        return bounds.size() + 1;
    }
    /// The words of a series that the worker's own thread writes: the counts, and behind them the number that
    /// a gauge is, or the sum of a histogram's values.
    [[nodiscard]] std::size_t own_words() const noexcept {
        return counts() + (kind == MetricKind::counter ? 0 : 1);
    }
    /// With those that other threads write behind them. A gauge has one word for all.
    [[nodiscard]] std::size_t words() const noexcept {
        return kind == MetricKind::gauge ? 1 : 2 * own_words();
    }
};

/// What is wrong with a definition (a sentence that begins with its name), or an empty text.
std::string complaint_about(const MetricDefinition& definition);

/// Whether a definition is free of mistakes in itself: names that begin with bullpen_ are allowed. The
/// exporter asks that of what it reads.
bool is_sound(const MetricDefinition& definition);

}  // namespace bullpen::metrics
