/// Who is to be woken when, where everybody sleeps equally long: first in, first out.
#pragma once

#include <algorithm>
#include <boost/circular_buffer.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace bullpen {

/// Allocates in its constructor only. Each sleeper is in it once at most.
class WakeQueue {
public:
    WakeQueue(std::uint64_t sleep_ns, std::size_t sleepers_max) : sleep_ns_{sleep_ns}, queue_(sleepers_max) {}

    void add(std::size_t sleeper, std::uint64_t now_ns) { queue_.push_back({now_ns + sleep_ns_, sleeper}); }

    void remove(std::size_t sleeper) {
        const auto found = std::find_if(queue_.begin(), queue_.end(),
                                        [&](const Entry& entry) { return entry.sleeper == sleeper; });
        if (found != queue_.end()) queue_.erase(found);
    }

    /// Takes out the next one whose time has come.
    std::optional<std::size_t> take_due(std::uint64_t now_ns) {
        if (next_ns() > now_ns) return std::nullopt;
        const std::size_t sleeper = queue_.front().sleeper;
        queue_.pop_front();
        return sleeper;
    }

    /// Never, if nobody sleeps.
    [[nodiscard]] std::uint64_t next_ns() const noexcept {
        return queue_.empty() ? UINT64_MAX : queue_.front().wake_ns;
    }

private:
    struct Entry {
        std::uint64_t wake_ns;
        std::size_t sleeper;
    };
    std::uint64_t sleep_ns_;
    boost::circular_buffer<Entry> queue_;
};

}  // namespace bullpen
