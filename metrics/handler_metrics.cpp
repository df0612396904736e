#include "metrics/handler_metrics.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/utf8.hpp"

namespace bullpen {
namespace {

using metrics::MetricDefinition;
using metrics::MetricKind;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::size_t sums_max = 100'000;

const MetricDefinition refused{
    .name = "bullpen_metric_series_refused_total",
    .help = "Tries to count in a handler's metric with labels for which a worker had no room."};

/// What the worker's own thread has counted, and the others.
std::vector<double> both(const MetricDefinition& metric, const std::vector<std::uint64_t>& words) {
    if (metric.kind == MetricKind::gauge) return {std::bit_cast<double>(words[0])};
    const std::size_t own = metric.own_words();
    std::vector<double> values;
    for (std::size_t i = 0; i < metric.counts(); ++i)
        values.push_back(static_cast<double>(words[i] + words[own + i]));
    for (std::size_t i = metric.counts(); i < own; ++i)
        values.push_back(std::bit_cast<double>(words[i]) + std::bit_cast<double>(words[own + i]));
    return values;
}

/// A number of more than 2^53 can't have been counted.
bool is_count(std::uint64_t value) noexcept {
    return value <= std::uint64_t{1} << 53;
}

/// False for values that a broken worker has written.
bool are_counts(const MetricDefinition& metric, const std::vector<std::uint64_t>& words) noexcept {
    for (std::size_t i = 0; i < metric.counts(); ++i)
        if (!is_count(words[i]) || !is_count(words[metric.own_words() + i])) return false;
    return true;
}

double together(OverWorkers over, double one, double other) noexcept {
    switch (over) {
        case OverWorkers::sum: break;
        case OverWorkers::max: return std::max(one, other);
        case OverWorkers::min: return std::min(one, other);
    }
    return one + other;
}

MetricType type_of(MetricKind kind) noexcept {
    switch (kind) {
        case MetricKind::counter: return MetricType::Counter;
        case MetricKind::gauge: return MetricType::Gauge;
        case MetricKind::histogram: break;
    }
    return MetricType::Histogram;
}

void set(ClientMetric& metric, const MetricDefinition& definition, const std::vector<double>& values) {
    switch (definition.kind) {
        case MetricKind::counter: metric.counter.value = values[0]; return;
        case MetricKind::gauge: metric.gauge.value = values[0]; return;
        case MetricKind::histogram: break;
    }
    double count = 0;
    for (std::size_t i = 0; i < definition.bounds.size(); ++i) {
        count += values[i];
        metric.histogram.bucket.push_back({static_cast<std::uint64_t>(count), definition.bounds[i]});
    }
    metric.histogram.sample_count = static_cast<std::uint64_t>(count + values[definition.bounds.size()]);
    metric.histogram.sample_sum = values.back();
}

/// Adds to the values what they had lost before. Those of a call that hasn't set them are the last ones.
template <typename Sum>
void never_decrease(Sum& sum) {
    const std::vector<double> read = sum.is_set ? sum.values : sum.last;
    sum.values = read;
    sum.last.resize(read.size());
    sum.lost.resize(read.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
        sum.lost[i] += std::max(0.0, sum.last[i] - read[i]);
        sum.values[i] += sum.lost[i];
    }
    sum.last = read;
}

/// The names of a family's samples, each with a blank before and behind it.
std::string names_of(const std::string& name, MetricType type) {
    std::string names = " " + name + " ";
    if (type == MetricType::Histogram) names += name + "_bucket " + name + "_sum " + name + "_count ";
    return names;
}

bool have_one_in_common(const std::string& names, std::string_view others) {
    for (std::size_t begin = 0; others.size() - begin > 1;) {
        const std::size_t end = others.find(' ', begin + 1);
        if (names.find(others.substr(begin, end - begin + 1)) != std::string::npos) return true;
        begin = end;
    }
    return false;
}

}  // namespace

void HandlerMetrics::add_to(std::vector<MetricFamily>& families, const std::vector<PoolView>& pools) {
    for (auto& [key, sum] : sums_)
        sum.is_set = false;
    for (const PoolView& pool : pools)
        read(pool);
    // A broken worker may write other labels each time.
    if (sums_.size() > sums_max) std::erase_if(sums_, [](const auto& one) { return !one.second.is_set; });

    std::string taken;
    for (const MetricFamily& family : families)
        taken += names_of(family.name, family.type);
    const MetricDefinition* open = nullptr;  // Of the last family.
    for (auto& [key, sum] : sums_) {
        const MetricDefinition& definition = sum.definition;
        const bool may_vanish = definition.kind == MetricKind::gauge;
        if (may_vanish && !sum.is_set) continue;
        if (open == nullptr || open->name != definition.name) {
            const MetricType type = type_of(definition.kind);
            const std::string names = names_of(definition.name, type);
            if (have_one_in_common(taken, names)) continue;
            taken += names;
            families.push_back({definition.name, definition.help, type, {}});
            open = &definition;
        }
        if (*open != definition) continue;  // The first one has the name.
        if (!may_vanish) never_decrease(sum);
        ClientMetric& sample = families.back().metric.emplace_back();
        sample.label = sum.labels;
        set(sample, definition, sum.values);
    }
}

void HandlerMetrics::read(const PoolView& pool) {
    SeriesReading::Record of_refused{};
    of_refused.values = {0, 0};
    add(of_refused, refused, pool.name);  // First: a worker may have written this name, too.
    for (std::uint32_t slot = 0; slot < pool.board.slots(); ++slot) {
        const SlotEntry& entry = pool.board.entry(slot);
        const bool has_worker =
            static_cast<Stage>(entry.stage.load(std::memory_order_relaxed)) != Stage::vacant;
        const std::uint32_t generation = entry.generation.load(std::memory_order_relaxed);
        const SeriesReading reading = pool.board.series(slot);
        if (is_count(reading.refused)) of_refused.values[0] += reading.refused;
        for (const SeriesReading::Record& record : reading.records) {
            const MetricDefinition& definition = reading.definitions[record.definition];
            if (definition.kind == MetricKind::gauge && (!has_worker || record.generation != generation))
                continue;
            add(record, definition, pool.name);
        }
    }
    add(of_refused, refused, pool.name);
}

void HandlerMetrics::add(const SeriesReading::Record& record, const MetricDefinition& definition,
                         const std::string& pool) {
    if (!are_counts(definition, record.values)) return;
    std::string key = definition.name;
    std::vector<ClientMetric::Label> labels{{"pool", to_utf8(pool)}};
    for (std::size_t i = 0; i < record.labels.size(); ++i)
        labels.push_back({definition.labels[i], to_utf8(record.labels[i])});
    for (const ClientMetric::Label& label : labels)
        key += '\0' + std::to_string(label.value.size()) + ':' + label.value;
    Sum& sum = sums_.try_emplace(std::move(key), Sum{definition, std::move(labels)}).first->second;
    std::vector<double> values = both(definition, record.values);
    if (sum.definition != definition) return;
    if (!std::exchange(sum.is_set, true)) {
        sum.values = std::move(values);
        return;
    }
    for (std::size_t i = 0; i < values.size(); ++i)
        sum.values[i] = together(definition.over, sum.values[i], values[i]);
}

}  // namespace bullpen
