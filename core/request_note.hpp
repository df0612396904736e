/// What a worker lets others know of the request it is working on: shown when it takes too long.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/shared_line.hpp"

namespace bullpen {

/// Lives in shared memory. Written by the worker, read by anybody.
struct RequestNote {
    std::atomic<std::uint64_t> begun_ns{0};  ///< CLOCK_MONOTONIC; 0: nothing is being worked on.
    SharedLine line{};

    void write(std::string_view text) noexcept { line.write(text); }
    [[nodiscard]] std::string read() const { return line.read(); }
};

}  // namespace bullpen
