#include "core/series_store.hpp"

#include <algorithm>
#include <exception>

#include "core/log.hpp"

namespace bullpen::metrics {

SeriesStore::SeriesStore(SeriesMemory memory, std::uint32_t generation)
    : memory_{memory}, generation_{generation} {
    for (const Metric& metric : known_metrics())
        if (metric.definition->labels.empty()) find(metric, {});
}

void SeriesStore::read_what_was_left() {
    SeriesReading reading = memory_.read();
    has_read_ = true;
    if (!reading.is_sound) return memory_.clear();
    definitions_ = std::move(reading.definitions);
    left_ = std::move(reading.records);
}

SeriesStore::~SeriesStore() {
    forget(*this);
}

void SeriesStore::own_by_this_thread() noexcept {
    own_series = {.store = this, .unlabelled = unlabelled_.data()};
}

const Series& SeriesStore::find(const Metric& metric, std::span<const std::string_view> values) noexcept {
    if (!memory_) return sink();  // As the user wants it.
    try {
        const std::lock_guard guard{mutex_};
        if (const Series* found = find_or_make(metric, values)) return *found;
    } catch (const std::exception&) {  // Out of memory.
    }
    memory_.note_refused();
    static std::atomic<bool> said{false};
    if (!said.exchange(true))
        log(LogLevel::warning,
            "metric '" + metric.definition->name +
                "': no room for another series (metrics_kib), or a label's value is longer "
                "than 200 bytes; it isn't counted, nor what comes after it");
    return sink();
}

const Series* SeriesStore::find_or_make(const Metric& metric, std::span<const std::string_view> values) {
    if (std::any_of(values.begin(), values.end(),
                    [](std::string_view value) { return value.size() > label_value_max; }))
        return nullptr;
    std::string key = std::to_string(metric.number);
    for (const std::string_view value : values)
        key.append(1, static_cast<char>(value.size())).append(value);
    const auto known = series_.find(key);
    if (known != series_.end()) return &known->second;
    if (!has_read_) read_what_was_left();
    const std::vector<std::string> labels{values.begin(), values.end()};
    std::optional<std::size_t> place = take_over(*metric.definition, labels);
    if (!place) place = make(*metric.definition, labels);
    if (!place) return nullptr;
    const KnownSeries& made =
        series_.emplace(std::move(key), KnownSeries{{&memory_.word(*place), this}, metric, labels})
            .first->second;
    if (labels.empty()) unlabelled_[metric.number].store(&made, std::memory_order_release);
    return &made;
}

/// A gauge ends with its worker, so it begins anew.
std::optional<std::size_t> SeriesStore::take_over(const MetricDefinition& metric,
                                                  const std::vector<std::string>& labels) {
    const auto found = std::find_if(left_.begin(), left_.end(), [&](const SeriesReading::Record& record) {
        return definitions_[record.definition] == metric && record.labels == labels;
    });
    if (found == left_.end()) return {};
    const std::size_t place = found->place;
    if (metric.kind == MetricKind::gauge) {
        memory_.word(place).store(0, std::memory_order_relaxed);
        memory_.set_generation(*found, generation_);
    }
    left_.erase(found);
    return place;
}

std::optional<std::size_t> SeriesStore::make(const MetricDefinition& metric,
                                             const std::vector<std::string>& labels) {
    const auto defined = std::find(definitions_.begin(), definitions_.end(), metric);
    const auto number = static_cast<std::size_t>(defined - definitions_.begin());
    if (defined == definitions_.end()) {
        definitions_.push_back(metric);
        if (!memory_.append(metric)) {
            definitions_.pop_back();
            return {};
        }
    }
    return memory_.append(metric, number, labels, generation_);
}

}  // namespace bullpen::metrics
