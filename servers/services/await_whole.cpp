#include "servers/services/await_whole.hpp"

#include <chrono>
#include <cstdint>
#include <cstring>

namespace bullpen {
namespace {

/// Of a text that isn't whole; kept with the connection, which is parked meanwhile.
struct PartOfText {
    std::uint64_t seen = 0;         ///< Bytes of it.
    std::uint64_t deadline_ns = 0;  ///< When it must be whole (CLOCK_MONOTONIC), once it has begun.
};

}  // namespace

std::optional<std::size_t> await_whole(Connection& client, std::span<std::byte> buffer,
                                       const std::function<bool(std::string_view)>& is_whole) {
    PartOfText part;
    std::memcpy(&part, client.state().data(), sizeof part);
    if (part.seen >= buffer.size()) part = {};  // Another worker has corrupted it.
    for (;;) {
        Patience patience;
        if (part.seen > 0) patience = {Limit::header, TimePoint{std::chrono::nanoseconds{part.deadline_ns}}};
        const auto peeked = client.peek(buffer, patience, part.seen);
        if (!peeked) return {};
        const std::string_view text{reinterpret_cast<const char*>(buffer.data()), peeked->size};
        if (peeked->ended || text.size() == buffer.size() || is_whole(text)) return text.size();
        if (part.seen == 0) {
            const auto deadline = (Clock::now() + client.limits().header).time_since_epoch();
            part.deadline_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds{deadline}.count());
        }
        part.seen = text.size();
        std::memcpy(client.state().data(), &part, sizeof part);
    }
}

}  // namespace bullpen
