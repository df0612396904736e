#include "core/metrics.hpp"

#include <algorithm>
#include <deque>
#include <stdexcept>

#include "core/series_store.hpp"

namespace bullpen::metrics {

__thread OwnSeries own_series;

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

/// What this process has defined. Never destroyed: threads may count until the process has ended.
struct Definitions {
    std::mutex mutex;
    std::deque<MetricDefinition> all{MetricDefinition{}};  ///< The first stands for what couldn't be defined.
    std::string mistake;
};

Definitions& definitions() {
    static auto* const one = new Definitions;
    return *one;
}

std::atomic<SeriesStore*> store_of_process{nullptr};
std::atomic<SeriesStore*> store_of_nobody{nullptr};
std::atomic<bool> counts{true};

/// For what is counted outside of workers. A series that was found there is looked up again in a worker.
SeriesStore& make_store_of_nobody() {
    constexpr std::size_t words = 8192;
    static auto* const memory = new std::array<MetricWord, words>{};
    static auto* const one = new SeriesStore{{memory->data(), sizeof *memory}, 0};
    store_of_nobody = one;
    return *one;
}

/// Where to count in a series that isn't of the calling thread's worker.
const Series& series_for(const Series& series) noexcept {
    if (!counts.load(relaxed) || &series == &sink()) return sink();
    if (series.store != store_of_nobody.load()) return series;
    SeriesStore* const here = own_series.store != nullptr ? own_series.store : store_of_process.load();
    if (here == nullptr) return series;
    const auto& known = static_cast<const KnownSeries&>(series);
    std::array<std::string_view, metric_labels_max> values;
    std::copy(known.labels.begin(), known.labels.end(), values.begin());
    return here->find(known.metric, std::span{values}.first(known.labels.size()));
}

void raise_shared(MetricWord& word, double amount) noexcept {
    std::uint64_t before = word.load(relaxed);
    while (!word.compare_exchange_weak(
        before, std::bit_cast<std::uint64_t>(std::bit_cast<double>(before) + amount), relaxed)) {
    }
}

Metric metric_of(const MetricDefinition& definition, std::size_t number) noexcept {
    return {
        .definition = &definition, .number = static_cast<std::uint32_t>(number), .bounds = definition.bounds};
}

/// Throws std::invalid_argument.
Metric define(MetricDefinition wanted, const std::string& wrong) {
    if (!wrong.empty()) throw std::invalid_argument{wrong};
    Definitions& known = definitions();
    const std::lock_guard guard{known.mutex};
    for (std::size_t i = 1; i < known.all.size(); ++i) {
        if (known.all[i] == wanted) return metric_of(known.all[i], i);
        if (known.all[i].name == wanted.name)
            throw std::invalid_argument{"metric '" + wanted.name +
                                        "': it was defined before, with another kind, help text, labels or "
                                        "buckets"};
    }
    if (known.all.size() == metrics_max)
        throw std::invalid_argument{"metric '" + wanted.name + "': a process has at most " +
                                    std::to_string(metrics_max - 1) + " metrics"};
    const std::size_t number = known.all.size();
    return metric_of(known.all.emplace_back(std::move(wanted)), number);
}

}  // namespace

Metric define(MetricKind kind, OverWorkers over, std::string_view name, std::string_view help,
              std::span<const std::string_view> labels, std::span<const double> bounds) {
    MetricDefinition wanted{.kind = kind,
                            .over = over,
                            .name = std::string{name},
                            .help = std::string{help},
                            .labels = {labels.begin(), labels.end()},
                            .bounds = {bounds.begin(), bounds.end()}};
    SeriesStore* const worker = store_of_process.load();
    try {
        const std::string wrong = complaint_about(wanted);
        const Metric made = define(std::move(wanted), wrong);
        if (worker != nullptr && labels.empty()) worker->find(made, {});
        return made;
    } catch (const std::invalid_argument& error) {
        if (worker != nullptr) throw;
        Definitions& known = definitions();
        const std::lock_guard guard{known.mutex};
        if (known.mistake.empty()) known.mistake = error.what();
        return metric_of(known.all.front(), 0);
    }
}

Metric define_built_in(std::string_view name, std::string_view help, std::span<const std::string_view> labels,
                       MetricKind kind) {
    return define({.kind = kind,
                   .name = std::string{name},
                   .help = std::string{help},
                   .labels = {labels.begin(), labels.end()}},
                  "");
}

const Series& find_series(const Metric& metric, std::span<const std::string_view> values) noexcept {
    if (!counts.load(relaxed) || metric.number == 0) return sink();
    SeriesStore* const here = own_series.store != nullptr ? own_series.store : store_of_process.load();
    return (here != nullptr ? *here : make_store_of_nobody()).find(metric, values);
}

void count_elsewhere(const Series& series, std::uint64_t amount) noexcept {
    const Series& here = series_for(series);
    here.words[1].fetch_add(amount, relaxed);
}

void observe_elsewhere(const Series& series, std::size_t buckets, std::size_t bucket, double value) noexcept {
    const Series& here = series_for(series);
    MetricWord* const words = here.words + buckets + 1;
    words[bucket].fetch_add(1, relaxed);
    raise_shared(words[buckets], value);
}

MetricWord& gauge_elsewhere(const Series& series) noexcept {
    return series_for(series).words[0];
}

void count_in(SeriesStore* store) noexcept {
    store_of_process = store;
}

void forget(const SeriesStore& store) noexcept {
    if (own_series.store == &store) own_series = {};
    if (store_of_process.load() == &store) count_in(nullptr);
}

void count_nothing() noexcept {
    counts = false;
    own_series = {};
}

std::vector<Metric> known_metrics() {
    Definitions& known = definitions();
    const std::lock_guard guard{known.mutex};
    std::vector<Metric> all;
    for (std::size_t i = 1; i < known.all.size(); ++i)
        all.push_back(metric_of(known.all[i], i));
    return all;
}

const Series& sink() noexcept {
    static std::array<MetricWord, 2 * (metric_bounds_max + 2)> words{};
    static const Series one{words.data(), nullptr};
    return one;
}

std::string mistake_in_metrics() {
    Definitions& known = definitions();
    const std::lock_guard guard{known.mutex};
    return known.mistake;
}

}  // namespace bullpen::metrics
