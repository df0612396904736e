/// Metrics of one's own, on /metrics beside the pool's (Options::metrics says where that is).
///
///     const bullpen::Counter orders{"shop_orders_total", "Orders taken.", "kind"};  // where one likes
///     ...
///     orders.with("book").add();  // in a handler
///
/// A metric is a small value that may be copied. Make it before serve(), as a global, in main(), or later in
/// a worker: as a member of its handler, or static in a function. Metrics of one name, help text and labels
/// are one metric; a second one of that name that differs is a mistake.
///
/// Each worker counts in memory of its own that it shares with the exporter: nothing is locked, no other
/// worker's cache line is written, and no file is left. The exporter adds up the workers of a pool, and says
/// the pool in the label `pool`. The worker that takes a dead one's slot counts on from there, so counters
/// and histograms only grow while the server lives; they begin at 0 after an upgrade. What is counted outside
/// of workers (in main(), in on_ready, in a child that a handler forks) is not exported.
///
/// Any thread of a worker may count. The worker's own thread needs no locked instruction for a counter or a
/// histogram; another one does.
///
/// The memory is bounded (Options::metrics_kib). Labels whose values a client chooses can use it up: what has
/// no room counts nothing, and each try is one of bullpen_metric_series_refused_total. A label's value has at
/// most 200 bytes, a metric at most 8 labels, a process at most 255 metrics.
///
/// A wrong definition (a name that Prometheus can't have, for example) made before serve() is told by
/// serve(), with exit status 2. In a worker the constructor throws std::invalid_argument.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <bullpen/export.hpp>

namespace bullpen {

/// What the exporter shows for a gauge that several workers have set. Workers that have ended don't count.
enum class OverWorkers : std::uint8_t { sum, max, min };

namespace metrics {

struct MetricDefinition;
class SeriesStore;
using MetricWord = std::atomic<std::uint64_t>;

enum class MetricKind : std::uint8_t { counter, gauge, histogram };

/// One set of labels of one metric, in one worker. Lives as long as the process.
struct Series {
    MetricWord* words;   ///< In shared memory.
    SeriesStore* store;  ///< Whose thread may write the words without a locked instruction.
};

/// The series of the thread's own worker; none in a thread that is no worker.
struct OwnSeries {
    SeriesStore* store;
    const std::atomic<const Series*>* unlabelled;  ///< By Metric::number; null: not made yet.
};
/// __thread, because an extern thread_local is read through a function.
extern BULLPEN_API __thread OwnSeries own_series __attribute__((tls_model("initial-exec")));

struct Metric {
    const MetricDefinition* definition;
    std::uint32_t number;            ///< In this process.
    std::span<const double> bounds;  ///< Of a histogram.
};

BULLPEN_API Metric define(MetricKind kind, OverWorkers over, std::string_view name, std::string_view help,
                          std::span<const std::string_view> labels, std::span<const double> bounds);
BULLPEN_API const Series& find_series(const Metric& metric,
                                      std::span<const std::string_view> values) noexcept;
BULLPEN_API void count_elsewhere(const Series& series, std::uint64_t amount) noexcept;
BULLPEN_API void observe_elsewhere(const Series& series, std::size_t buckets, std::size_t bucket,
                                   double value) noexcept;
BULLPEN_API MetricWord& gauge_elsewhere(const Series& series) noexcept;

inline const Series& unlabelled_series(const Metric& metric) noexcept {
    const OwnSeries own = own_series;
    if (own.store != nullptr)
        if (const Series* made = own.unlabelled[metric.number].load(std::memory_order_acquire)) return *made;
    return find_series(metric, {});
}

/// For the one writer of the word.
inline void raise(MetricWord& word, std::uint64_t amount) noexcept {
    word.store(word.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}
inline void raise(MetricWord& word, double amount) noexcept {
    const auto before = std::bit_cast<double>(word.load(std::memory_order_relaxed));
    word.store(std::bit_cast<std::uint64_t>(before + amount), std::memory_order_relaxed);
}

template <typename... Value>
concept texts = (std::convertible_to<const Value&, std::string_view> && ...);

/// What the kinds of metrics have in common: their labels.
template <typename OneSeries, std::size_t labels>
class Labelled {
public:
    /// The series with these values, in the order of the labels. It may be kept and counted with for as long
    /// as the process lives; finding it costs some 100 ns, counting less than 5.
    template <typename... Value>
    [[nodiscard]] OneSeries with(const Value&... values) const noexcept {
        static_assert(labels > 0, "this metric has no labels: count without with()");
        static_assert(sizeof...(Value) == labels, "with() takes one value for each of the metric's labels");
        static_assert(texts<Value...>, "a label's value is a text: write std::to_string(number)");
        if constexpr (sizeof...(Value) == labels && texts<Value...>) {
            const std::array<std::string_view, labels> all{std::string_view{values}...};
            return OneSeries{metric_, find_series(metric_, all)};
        }
    }

protected:
    template <typename... Label>
    Labelled(MetricKind kind, OverWorkers over, std::string_view name, std::string_view help,
             std::span<const double> bounds, const Label&... label)
        : metric_{define(kind, over, name, help, std::array<std::string_view, labels>{label...}, bounds)} {}

    [[nodiscard]] OneSeries unlabelled() const noexcept {
        static_assert(labels == 0, "this metric has labels: write with(values) before what counts");
        return OneSeries{metric_, unlabelled_series(metric_)};
    }

private:
    Metric metric_;
};

}  // namespace metrics

/// A counter, with its labels' values: a number that only grows.
class CounterSeries {
public:
    CounterSeries(const metrics::Metric&, const metrics::Series& series) noexcept : series_{&series} {}

    /// `amount` is in the unit that the metric's name has.
    void add(std::uint64_t amount = 1) const noexcept {
        if (series_->store == metrics::own_series.store)
            metrics::raise(series_->words[0], amount);
        else
            metrics::count_elsewhere(*series_, amount);
    }

private:
    const metrics::Series* series_;
};

template <std::size_t labels>
class Counter : public metrics::Labelled<CounterSeries, labels> {
public:
    /// `name` ends in _total.
    template <typename... Label>
    requires(metrics::texts<Label...>)
        Counter(std::string_view name, std::string_view help, const Label&... label)
        : Counter::Labelled{metrics::MetricKind::counter, OverWorkers::sum, name, help, {}, label...} {}

    /// Of a counter without labels.
    void add(std::uint64_t amount = 1) const noexcept { this->unlabelled().add(amount); }
};
template <typename... Label>
Counter(std::string_view, std::string_view, const Label&...) -> Counter<sizeof...(Label)>;

/// A gauge, with its labels' values: a number that goes up and down. It ends with its worker.
class GaugeSeries {
public:
    GaugeSeries(const metrics::Metric&, const metrics::Series& series) noexcept : series_{&series} {}

    void set(double value) const noexcept {
        word().store(std::bit_cast<std::uint64_t>(value), std::memory_order_relaxed);
    }
    void add(double amount = 1) const noexcept {
        metrics::MetricWord& changed = word();
        std::uint64_t before = changed.load(std::memory_order_relaxed);
        while (!changed.compare_exchange_weak(
            before, std::bit_cast<std::uint64_t>(std::bit_cast<double>(before) + amount),
            std::memory_order_relaxed)) {
        }
    }
    void subtract(double amount = 1) const noexcept { add(-amount); }

private:
    [[nodiscard]] metrics::MetricWord& word() const noexcept {
        if (series_->store == metrics::own_series.store) return series_->words[0];
        return metrics::gauge_elsewhere(*series_);
    }
    const metrics::Series* series_;
};

template <std::size_t labels>
class Gauge : public metrics::Labelled<GaugeSeries, labels> {
public:
    template <typename... Label>
    requires(metrics::texts<Label...>)
        Gauge(std::string_view name, std::string_view help, const Label&... label)
        : Gauge{OverWorkers::sum, name, help, label...} {}
    template <typename... Label>
    requires(metrics::texts<Label...>)
        Gauge(OverWorkers over, std::string_view name, std::string_view help, const Label&... label)
        : Gauge::Labelled{metrics::MetricKind::gauge, over, name, help, {}, label...} {}

    // Of a gauge without labels.
    void set(double value) const noexcept { this->unlabelled().set(value); }
    void add(double amount = 1) const noexcept { this->unlabelled().add(amount); }
    void subtract(double amount = 1) const noexcept { this->unlabelled().subtract(amount); }
};
template <typename... Label>
Gauge(std::string_view, std::string_view, const Label&...) -> Gauge<sizeof...(Label)>;
template <typename... Label>
Gauge(OverWorkers, std::string_view, std::string_view, const Label&...) -> Gauge<sizeof...(Label)>;

/// The upper bounds of a histogram's buckets, ascending; 1 to 40. A last bucket (+Inf) is added.
struct Buckets {
    Buckets(std::initializer_list<double> bounds) : upper(bounds) {}
    explicit Buckets(std::vector<double> bounds) : upper(std::move(bounds)) {}

    std::vector<double> upper;
};

/// A histogram, with its labels' values: how values are distributed.
class HistogramSeries {
public:
    HistogramSeries(const metrics::Metric& metric, const metrics::Series& series) noexcept
        : series_{&series}, bounds_{metric.bounds} {}

    /// Counts the value in the first bucket whose bound isn't below it.
    void observe(double value) const noexcept {
        const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
        const auto bucket = static_cast<std::size_t>(at - bounds_.begin());
        const std::size_t buckets = bounds_.size() + 1;
        if (series_->store != metrics::own_series.store)
            return metrics::observe_elsewhere(*series_, buckets, bucket, value);
        metrics::raise(series_->words[bucket], std::uint64_t{1});
        metrics::raise(series_->words[buckets], value);
    }

private:
    const metrics::Series* series_;
    std::span<const double> bounds_;
};

template <std::size_t labels>
class Histogram : public metrics::Labelled<HistogramSeries, labels> {
public:
    template <typename... Label>
    requires(metrics::texts<Label...>)
        Histogram(std::string_view name, std::string_view help, const Buckets& buckets, const Label&... label)
        : Histogram::Labelled{
              metrics::MetricKind::histogram, OverWorkers::sum, name, help, buckets.upper, label...} {}

    /// Of a histogram without labels.
    void observe(double value) const noexcept { this->unlabelled().observe(value); }
};
template <typename... Label>
Histogram(std::string_view, std::string_view, const Buckets&, const Label&...) -> Histogram<sizeof...(Label)>;

}  // namespace bullpen
