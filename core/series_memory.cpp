#include "core/series_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

namespace bullpen {
namespace {

using metrics::MetricKind;

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::size_t word_size = sizeof(std::uint64_t);
constexpr std::size_t used_at = 0;
constexpr std::size_t refused_at = 1;
constexpr std::size_t records_at = 2;

constexpr std::size_t words_for(std::size_t bytes) noexcept {
    return (bytes + word_size - 1) / word_size;
}

enum class RecordKind : std::uint16_t { definition = 1, series };

// Packed text: numbers of one byte, bounds of 8, and texts behind their length of two.

void pack(std::string& packed, std::string_view text) {
    const auto size = static_cast<std::uint16_t>(text.size());
    packed.append(reinterpret_cast<const char*>(&size), sizeof size);
    packed.append(text);
}

std::string packed(const MetricDefinition& metric) {
    std::string all;
    for (const std::size_t number :
         {static_cast<std::size_t>(metric.kind), static_cast<std::size_t>(metric.over), metric.labels.size(),
          metric.bounds.size()})
        all.push_back(static_cast<char>(number));
    for (const double bound : metric.bounds)
        all.append(reinterpret_cast<const char*>(&bound), sizeof bound);
    pack(all, metric.name);
    pack(all, metric.help);
    for (const std::string& label : metric.labels)
        pack(all, label);
    return all;
}

std::string packed(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts)
        pack(all, text);
    return all;
}

/// Takes one thing after the other from packed text, which may be anything.
class Unpacker {
public:
    explicit Unpacker(std::string_view left) noexcept : left_{left} {}

    template <typename Number>
    Number number() noexcept {
        Number taken{};
        if (left_.size() < sizeof taken) return fail(), taken;
        std::memcpy(&taken, left_.data(), sizeof taken);
        left_.remove_prefix(sizeof taken);
        return taken;
    }
    std::string text() {
        const auto size = number<std::uint16_t>();
        if (left_.size() < size) return fail(), std::string{};
        std::string taken{left_.substr(0, size)};
        left_.remove_prefix(size);
        return taken;
    }
    std::vector<std::string> texts(std::size_t count) {
        std::vector<std::string> taken;
        for (std::size_t i = 0; i < count && !failed_; ++i)
            taken.push_back(text());
        return taken;
    }
    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    void fail() noexcept {
        failed_ = true;
        left_ = {};
    }

    std::string_view left_;
    bool failed_ = false;
};

std::optional<MetricDefinition> unpack_definition(std::string_view text) {
    Unpacker from{text};
    MetricDefinition metric;
    const auto kind = from.number<std::uint8_t>();
    const auto over = from.number<std::uint8_t>();
    const auto labels = from.number<std::uint8_t>();
    const auto bounds = from.number<std::uint8_t>();
    if (kind > static_cast<std::uint8_t>(MetricKind::histogram) ||
        over > static_cast<std::uint8_t>(OverWorkers::min))
        return {};
    metric.kind = static_cast<MetricKind>(kind);
    metric.over = static_cast<OverWorkers>(over);
    for (std::size_t i = 0; i < bounds; ++i)
        metric.bounds.push_back(from.number<double>());
    metric.name = from.text();
    metric.help = from.text();
    metric.labels = from.texts(labels);
    if (from.failed() || !is_sound(metric)) return {};
    return metric;
}

}  // namespace

struct SeriesMemory::Head {
    std::uint32_t words;
    RecordKind kind;
    std::uint16_t definition;  ///< Of a series.

    static constexpr std::size_t size = 2;  ///< In words, with the generation.
};

SeriesReading SeriesMemory::read() const {
    SeriesReading reading;
    if (size_ == 0) return reading;
    const std::size_t used = words_[used_at].load(std::memory_order_acquire);
    reading.is_sound = used <= size_;
    if (!reading.is_sound) return reading;
    reading.refused = words_[refused_at].load(relaxed);
    std::vector<std::uint64_t> copy;  // A broken worker may go on writing.
    for (std::size_t i = 0; i < used; ++i)
        copy.push_back(words_[i].load(relaxed));
    for (std::size_t at = records_at; at < used;) {
        reading.is_sound = false;
        if (used - at < Head::size) break;
        const auto head = std::bit_cast<Head>(copy[at]);
        if (head.words < Head::size || head.words > used - at) break;
        const std::span whole = std::span{copy}.subspan(at, head.words);
        const std::span body = whole.subspan(Head::size);
        const std::string_view text{reinterpret_cast<const char*>(body.data()), body.size_bytes()};
        if (head.kind == RecordKind::definition) {
            std::optional<MetricDefinition> metric = unpack_definition(text);
            if (!metric) break;
            reading.definitions.push_back(std::move(*metric));
        } else {
            if (head.kind != RecordKind::series || head.definition >= reading.definitions.size()) break;
            const MetricDefinition& metric = reading.definitions[head.definition];
            if (body.size() < metric.words()) break;
            const std::size_t before = body.size() - metric.words();
            Unpacker from{text.substr(0, before * word_size)};
            std::vector<std::string> labels = from.texts(metric.labels.size());
            if (from.failed()) break;
            const std::span values = body.subspan(before);
            reading.records.push_back({.definition = head.definition,
                                       .labels = std::move(labels),
                                       .begin = at,
                                       .place = at + Head::size + before,
                                       .generation = whole[1],
                                       .values = {values.begin(), values.end()}});
        }
        reading.is_sound = true;
        at += head.words;
    }
    return reading;
}

void SeriesMemory::clear() const noexcept {
    if (size_ == 0) return;
    words_[refused_at].store(0, relaxed);
    words_[used_at].store(records_at, std::memory_order_release);
}

bool SeriesMemory::append(const MetricDefinition& metric) const {
    return append({.words = 0, .kind = RecordKind::definition, .definition = 0}, 0, packed(metric), 0)
        .has_value();
}

std::optional<std::size_t> SeriesMemory::append(const MetricDefinition& metric, std::size_t number,
                                                const std::vector<std::string>& labels,
                                                std::uint64_t generation) const {
    const Head head{.words = 0, .kind = RecordKind::series, .definition = static_cast<std::uint16_t>(number)};
    return append(head, generation, packed(labels), metric.words());
}

/// Returns where the values begin.
std::optional<std::size_t> SeriesMemory::append(Head head, std::uint64_t generation, const std::string& text,
                                                std::size_t values) const {
    if (size_ == 0) return {};
    const std::size_t at = std::max<std::size_t>(words_[used_at].load(relaxed), records_at);
    std::vector<std::uint64_t> record(Head::size + words_for(text.size()) + values);
    if (at > size_ || record.size() > size_ - at) return {};
    head.words = static_cast<std::uint32_t>(record.size());
    record[0] = std::bit_cast<std::uint64_t>(head);
    record[1] = generation;
    if (!text.empty()) std::memcpy(record.data() + Head::size, text.data(), text.size());
    for (std::size_t i = 0; i < record.size(); ++i)
        words_[at + i].store(record[i], relaxed);
    words_[used_at].store(at + record.size(), std::memory_order_release);
    return at + record.size() - values;
}

void SeriesMemory::set_generation(const SeriesReading::Record& gauge,
                                  std::uint64_t generation) const noexcept {
    words_[gauge.begin + 1].store(generation, relaxed);
}

void SeriesMemory::note_refused() const noexcept {
    if (size_ > 0) words_[refused_at].fetch_add(1, relaxed);
}

}  // namespace bullpen
