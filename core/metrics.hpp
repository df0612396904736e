/// What a process has of metrics: their definitions, and where its threads count.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bullpen/metrics.hpp>

namespace bullpen::metrics {

/// Of a process. The number 0 stands for all metrics that couldn't be defined.
constexpr std::size_t metrics_max = 256;

/// Defines a counter or a gauge of Bullpen's own, whose name begins with bullpen_.
Metric define_built_in(std::string_view name, std::string_view help, std::span<const std::string_view> labels,
                       MetricKind kind = MetricKind::counter);

/// What this process has defined so far.
std::vector<Metric> known_metrics();

/// The first mistake in this process's definitions, or an empty text.
std::string mistake_in_metrics();

/// The store in which threads that are no workers count; null: none, as outside of workers.
void count_in(SeriesStore* store) noexcept;

/// Nobody counts in it any more.
void forget(const SeriesStore& store) noexcept;

/// For a child that a handler has forked.
void count_nothing() noexcept;

/// The series of everything that can't be counted. Nobody reads it.
const Series& sink() noexcept;

}  // namespace bullpen::metrics
