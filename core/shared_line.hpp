/// A short text in shared memory.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace bullpen {

/// Has one writer and is read by anybody. A reader may see half of one line and half of the next, so it is
/// for people only.
struct SharedLine {
    static constexpr std::size_t words = 15;

    std::array<std::atomic<std::uint64_t>, words> bytes{};

    /// Cut to 120 bytes.
    void write(std::string_view text) noexcept {
        std::array<std::uint64_t, words> copy{};
        if (!text.empty()) std::memcpy(copy.data(), text.data(), std::min(text.size(), sizeof copy));
        for (std::size_t i = 0; i < words; ++i)
            bytes[i].store(copy[i], std::memory_order_relaxed);
    }

    [[nodiscard]] std::string read() const {
        std::array<std::uint64_t, words> copy{};
        for (std::size_t i = 0; i < words; ++i)
            copy[i] = bytes[i].load(std::memory_order_relaxed);
        std::string text(sizeof copy, '\0');
        std::memcpy(text.data(), copy.data(), sizeof copy);
        return text.substr(0, text.find('\0'));
    }
};

}  // namespace bullpen
