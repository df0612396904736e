#include "core/http/async_head_reader.hpp"

#include <algorithm>
#include <utility>

#include <bullpen/clock.hpp>
#include "core/http/http_metrics.hpp"
#include "core/transfer_progress.hpp"

namespace bullpen::http {

boost::asio::awaitable<AsyncHeadReader::Outcome> AsyncHeadReader::next() {
    const bool first = !std::exchange(begun_, true);
    const bool is_empty = buffer_.begin_next();
    if (body_ > 0 && !co_await pass_body()) co_return Outcome::end;
    if (is_empty) {
        constexpr std::chrono::milliseconds none{0};
        constexpr std::chrono::milliseconds for_the_first{1'000};  // At a stop: it has had no answer yet.
        const auto size =
            co_await client_.read_next(buffer_.room(), client_.limits().idle, first ? for_the_first : none);
        if (size.value_or(0) == 0) co_return Outcome::end;
        buffer_.add(*size);
        count_received(*size);
    }
    const TimePoint deadline = Clock::now() + client_.limits().header;
    for (;;) {
        if (const auto outcome = buffer_.find_head()) co_return *outcome;
        const std::size_t size = co_await client_.read_before(buffer_.room(), deadline, Limit::header);
        if (size == 0) co_return buffer_.outcome_at_end();
        buffer_.add(size);
        count_received(size);
    }
}

/// Returns false if the client has ended its side.
boost::asio::awaitable<bool> AsyncHeadReader::pass_body() {
    TransferProgress progress{client_.limits().body, client_.limits().body_rate};
    for (std::size_t size = 0; body_ > 0; body_ -= size) {
        const std::span<std::byte> room = buffer_.room();
        size = co_await client_.read_before(room.first(std::min(room.size(), body_)),
                                            progress.deadline_after(size), Limit::body);
        if (size == 0) co_return false;
        count_received(size);
    }
    co_return true;
}

}  // namespace bullpen::http
