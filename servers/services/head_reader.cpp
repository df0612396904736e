#include "servers/services/head_reader.hpp"

#include "core/clock.hpp"

namespace bullpen::http {

HeadReader::Outcome HeadReader::next() {
    if (buffer_.begin_next()) {
        const std::size_t size = client_.read_next(buffer_.room(), limits_.idle_timeout).value_or(0);
        if (size == 0) return Outcome::end;
        buffer_.add(size);
    }
    const TimePoint deadline = Clock::now() + limits_.head_timeout;
    for (;;) {
        if (const auto outcome = buffer_.find_head()) return *outcome;
        const std::size_t size = client_.read_before(buffer_.room(), deadline);
        if (size == 0) return buffer_.outcome_at_end();
        buffer_.add(size);
    }
}

}  // namespace bullpen::http
