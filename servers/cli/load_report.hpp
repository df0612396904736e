/// What `bullpen load` has found, for a terminal and for a program.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "servers/bench/load/load.hpp"

namespace bullpen {

/// Of the connections that were to be kept silently beside the load.
struct IdleCounts {
    long asked = 0;
    long answered = 0;     ///< Once, before the load; the others are not there.
    long undisturbed = 0;  ///< Of these, after the load: neither closed nor sent anything.
};

/// A load, over.
struct LoadReport {
    std::string url;
    const LoadOptions& options;
    const LoadResult& result;
    std::optional<IdleCounts> idle = {};
    bool interrupted = false;
    bool gave_up = false;  ///< Because nothing was answered.

    [[nodiscard]] double per_second(double number) const noexcept;
    [[nodiscard]] double client_share() const noexcept;  ///< Of one CPU.
    /// Open loop: due, but not sent or not answered in time. Closed loop: not answered in time.
    [[nodiscard]] long unanswered() const noexcept;
};

/// No line is wider than `width` columns.
std::string render_load(const LoadReport& report, std::size_t width = 80);

/// One JSON object and a line feed. Its fields are listed in `bullpen load --help`.
std::string load_to_json(const LoadReport& report);

}  // namespace bullpen
