#include "core/http/head_reader.hpp"

#include <cstring>

#include "core/clock.hpp"

namespace bullpen::http {

std::optional<HeadReader::Outcome> HeadReader::next(HeadProgress& progress) {
    if (progress.seen > HeadBuffer::head_max) progress = {};  // Impossible: another worker has corrupted it.
    for (;;) {
        Connection::Patience patience;
        if (progress.seen > 0)
            patience = {Limit::header, TimePoint{std::chrono::nanoseconds{progress.deadline_ns}}};
        buffer_.clear();
        std::memcpy(client_.state().data(), &progress, sizeof progress);
        const auto peeked = client_.peek(buffer_.room(), patience, progress.seen);
        if (!peeked) return {};
        buffer_.add(peeked->size);
        const std::span<std::byte> whole = buffer_.contents();
        if (peeked->size == 0) return Outcome::end;
        if (const auto outcome = buffer_.find_head()) {
            progress = {};
            return outcome;
        }
        if (buffer_.is_empty()) {  // Empty lines only.
            client_.take(whole);
            progress = {};
            continue;
        }
        if (peeked->ended) return Outcome::malformed;
        if (progress.seen == 0)
            progress.deadline_ns =
                monotonic_ns() +
                static_cast<std::uint64_t>(std::chrono::nanoseconds{client_.limits().header}.count());
        progress.seen = static_cast<std::uint32_t>(peeked->size);
    }
}

}  // namespace bullpen::http
