#include "core/http/head_reader.hpp"

#include <algorithm>
#include <cstring>

#include <bullpen/clock.hpp>
#include "core/http/http_metrics.hpp"
#include "core/transfer_progress.hpp"

namespace bullpen::http {

std::optional<HeadReader::Outcome> HeadReader::next(HeadProgress& progress) {
    if (progress.seen > HeadBuffer::head_max) progress = {};  // Impossible: another worker has corrupted it.
    while (progress.body > 0) {
        const Body body = pass_body(progress);
        if (body == Body::awaited) return {};
        if (body == Body::ended) return Outcome::end;
    }
    for (;;) {
        Connection::Patience patience;
        if (progress.seen > 0)
            patience = {Limit::header, TimePoint{std::chrono::nanoseconds{progress.deadline_ns}}};
        buffer_.clear();
        remember(progress);
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

void HeadReader::take(HeadProgress& progress, std::uint32_t body_size) {
    progress.body = body_size - static_cast<std::uint32_t>(buffer_.skip_body(body_size));
    client_.take(buffer_.up_to_end());
    count_received(buffer_.up_to_end().size());
}

/// Takes what is there of the last request's body. It has the time of every body that is read
/// (TimeLimits::body).
HeadReader::Body HeadReader::pass_body(HeadProgress& progress) {
    const TimeLimits& limits = client_.limits();
    const TimePoint deadline = progress.deadline_ns == 0
                                   ? Clock::now() + limits.body
                                   : TimePoint{std::chrono::nanoseconds{progress.deadline_ns}};
    progress.deadline_ns = static_cast<std::uint64_t>(deadline.time_since_epoch().count());
    buffer_.clear();
    remember(progress);
    const std::span<std::byte> room = buffer_.room();
    const auto peeked = client_.peek(room, {Limit::body, deadline});
    if (!peeked) return Body::awaited;
    if (peeked->size == 0) return Body::ended;
    const auto size = std::min<std::size_t>(peeked->size, progress.body);
    client_.take(room.first(size));
    count_received(size);
    progress.body -= static_cast<std::uint32_t>(size);
    const TimePoint next = extended(deadline, Clock::now(), limits.body, limits.body_rate, size);
    progress.deadline_ns =
        progress.body == 0 ? 0 : static_cast<std::uint64_t>(next.time_since_epoch().count());
    return Body::passed;
}

void HeadReader::remember(const HeadProgress& progress) noexcept {
    std::memcpy(client_.state().data(), &progress, sizeof progress);
}

}  // namespace bullpen::http
