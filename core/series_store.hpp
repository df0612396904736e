/// The metrics that one worker counts: what it has in its SeriesMemory, and where.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/metrics.hpp"
#include "core/series_memory.hpp"

namespace bullpen::metrics {

/// A series that knows what it is.
struct KnownSeries : Series {
    Metric metric;
    std::vector<std::string> labels;
};

/// Each of a process's workers has one, for as long as the process lives: handlers keep its series. Any
/// thread may call find().
class SeriesStore {
public:
    /// Goes on with what an earlier worker has left in the memory; if that is damaged, begins anew. Metrics
    /// without labels that the process knows are made now, so that they show 0.
    SeriesStore(SeriesMemory memory, std::uint32_t generation);
    ~SeriesStore();
    SeriesStore(const SeriesStore&) = delete;
    SeriesStore& operator=(const SeriesStore&) = delete;

    /// The calling thread is the worker's from here on.
    void own_by_this_thread() noexcept;

    /// Makes the series if it isn't there. What has no room is noted as refused, and is the sink.
    const Series& find(const Metric& metric, std::span<const std::string_view> values) noexcept;

private:
    void read_what_was_left();
    const Series* find_or_make(const Metric& metric, std::span<const std::string_view> values);
    std::optional<std::size_t> take_over(const MetricDefinition& metric,
                                         const std::vector<std::string>& labels);
    std::optional<std::size_t> make(const MetricDefinition& metric, const std::vector<std::string>& labels);

    SeriesMemory memory_;
    std::uint32_t generation_;
    std::mutex mutex_;
    bool has_read_ = false;
    std::vector<MetricDefinition> definitions_;  ///< Those in the memory.
    std::vector<SeriesReading::Record> left_;    ///< By earlier workers, and not taken over yet.
    std::map<std::string, KnownSeries> series_;  ///< By metric and labels.
    std::array<std::atomic<const Series*>, metrics_max> unlabelled_{};
};

}  // namespace bullpen::metrics
