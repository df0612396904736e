#include "servers/services/async_head_reader.hpp"

#include "core/clock.hpp"

namespace bullpen::http {

boost::asio::awaitable<AsyncHeadReader::Outcome> AsyncHeadReader::next() {
    if (buffer_.begin_next()) {
        const auto size = co_await client_.read_next(buffer_.room(), client_.limits().idle);
        if (size.value_or(0) == 0) co_return Outcome::end;
        buffer_.add(*size);
    }
    const TimePoint deadline = Clock::now() + client_.limits().header;
    for (;;) {
        if (const auto outcome = buffer_.find_head()) co_return *outcome;
        const std::size_t size = co_await client_.read_before(buffer_.room(), deadline, Limit::header);
        if (size == 0) co_return buffer_.outcome_at_end();
        buffer_.add(size);
    }
}

}  // namespace bullpen::http
