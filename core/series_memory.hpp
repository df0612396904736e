/// The memory in which one worker counts its own metrics, as it lies behind its row of the scoreboard.
///
/// Records, one behind the other: definitions, and series, which refer to a definition by its number in this
/// memory. The worker appends; a record is there once `used` has been raised over it, so a worker may die at
/// any instruction. The next worker of the slot reads them and goes on. Words of 8 bytes throughout:
///
///     used, refused, then for each record
///     head: Head                     words in all, kind of record, a definition's number
///     generation                     of the worker that has set a gauge
///     text                           packed: see series_memory.cpp
///     values                         MetricDefinition::words()
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/metric_definition.hpp"

namespace bullpen {

using MetricWord = metrics::MetricWord;
using metrics::MetricDefinition;

/// What was read from a memory. Its records are valid, whatever a broken worker has written there.
struct SeriesReading {
    struct Record {
        std::size_t definition;  ///< An index.
        std::vector<std::string> labels;
        std::size_t begin;  ///< Where it begins in the memory, in words,
        std::size_t place;  ///< and where its first value is.
        std::uint64_t generation;
        std::vector<std::uint64_t> values;  ///< MetricDefinition::words().
    };

    std::vector<MetricDefinition> definitions;
    std::vector<Record> records;
    std::uint64_t refused = 0;
    bool is_sound = true;  ///< False: something behind these records is none.
};

/// A view of the memory, whole pages that were zero at first. Any process may read, the worker alone writes.
class SeriesMemory {
public:
    SeriesMemory() = default;  ///< None: nothing has room.
    SeriesMemory(void* pages, std::size_t bytes) noexcept
        : words_{static_cast<MetricWord*>(pages)}, size_{bytes / sizeof(MetricWord)} {}

    explicit operator bool() const noexcept { return size_ > 0; }

    [[nodiscard]] SeriesReading read() const;

    // For the worker.

    /// Forgets everything.
    void clear() const noexcept;

    /// Appends a definition. Returns false if there is no room.
    [[nodiscard]] bool append(const MetricDefinition& definition) const;

    /// Appends a series of the definition with this number. Its values are 0. Returns where its first value's
    /// word is, or nothing if there is no room.
    [[nodiscard]] std::optional<std::size_t> append(const MetricDefinition& definition, std::size_t number,
                                                    const std::vector<std::string>& labels,
                                                    std::uint64_t generation) const;

    [[nodiscard]] MetricWord& word(std::size_t place) const noexcept { return words_[place]; }

    /// Says which worker sets the gauge from now on.
    void set_generation(const SeriesReading::Record& gauge, std::uint64_t generation) const noexcept;

    void note_refused() const noexcept;

private:
    struct Head;
    std::optional<std::size_t> append(Head head, std::uint64_t generation, const std::string& text,
                                      std::size_t values) const;

    MetricWord* words_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace bullpen
