/// Reads the heads of a client's requests, in the asynchronous form: see head_reader.hpp.
#pragma once

#include <string_view>

#include "core/async_connection.hpp"
#include "core/http/head_reader.hpp"

namespace bullpen::http {

class AsyncHeadReader {
public:
    using Outcome = HeadBuffer::Outcome;

    /// Borrows the connection.
    explicit AsyncHeadReader(AsyncConnection& client) noexcept
        : client_{client}, buffer_{HeadReader::request_line_max} {}

    /// Waits for the next head. Throws what AsyncConnection does: TimedOut if the head isn't complete within
    /// the header limit.
    [[nodiscard]] boost::asio::awaitable<Outcome> next();

    [[nodiscard]] std::string_view head() const noexcept { return buffer_.head(); }
    [[nodiscard]] bool has_more() const noexcept { return buffer_.has_more(); }

private:
    AsyncConnection& client_;
    HeadBuffer buffer_;
    bool begun_ = false;
};

}  // namespace bullpen::http
