/// Reads the heads of a client's requests, in the asynchronous form: see head_reader.hpp.
#pragma once

#include <string_view>

#include <bullpen/async_connection.hpp>
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

    /// Behind the head that was found is a body of `size` bytes, which next() throws away. Within the body
    /// limit, else that throws TimedOut.
    void skip_body(std::size_t size) noexcept { body_ = size - buffer_.skip_body(size); }

    [[nodiscard]] std::string_view head() const noexcept { return buffer_.head(); }
    [[nodiscard]] bool has_more() const noexcept { return buffer_.has_more(); }

private:
    [[nodiscard]] boost::asio::awaitable<bool> pass_body();

    AsyncConnection& client_;
    HeadBuffer buffer_;
    std::size_t body_ = 0;  ///< Bytes that are still to come of the last request's body.
    bool begun_ = false;
};

}  // namespace bullpen::http
