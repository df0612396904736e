/// Turns requests into answers, without a word to the client: the part of an HTTP service that its blocking
/// and its asynchronous form share.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "servers/services/answer.hpp"
#include "servers/services/head_buffer.hpp"
#include "servers/services/request.hpp"
#include "servers/services/request_target.hpp"
#include "servers/services/response_head.hpp"

namespace bullpen::http {

/// Serves one connection, one request after the other. What is the same for every service is done here: bad
/// requests, methods, the headers that each answer has, keep-alive. A service overrides respond().
class Responder {
public:
    Responder() noexcept {}  // Not defaulted: the buffer is to stay as it is.
    virtual ~Responder() = default;
    Responder(const Responder&) = delete;
    Responder& operator=(const Responder&) = delete;

    /// The answer to what was found: anything but Outcome::end. While the server is draining the connection
    /// ends with it.
    [[nodiscard]] Answer answer(HeadBuffer::Outcome found, std::string_view head, bool has_more,
                                bool draining);

    /// What an Answer's body is where it is to be sent over and over: the same for all of them.
    [[nodiscard]] virtual std::string_view repeated_body() const noexcept { return {}; }

protected:
    // Up to here a body is copied behind its head and both leave in one call; above, sendfile(2) saves more
    // than the second call costs.
    static constexpr std::size_t small_body_max = 32 * 1024;

    /// To a GET or HEAD of a well-formed target.
    virtual Answer respond(const Request& request, const RequestTarget& target) = 0;

    /// A head with the headers that every answer has.
    [[nodiscard]] ResponseHead begin(Status status);

    /// The head alone: there is no body, or the request was HEAD.
    [[nodiscard]] Answer finish(ResponseHead& head);

    /// The head, which says Content-Length, and its small body.
    [[nodiscard]] Answer finish(ResponseHead& head, std::string_view body);

    /// The same, but the body's bytes are to be put into the place that is returned.
    [[nodiscard]] std::span<char> finish(ResponseHead& head, std::size_t body_size, Answer& answer);

    /// A page that only says the status.
    [[nodiscard]] Answer status_page(Status status);
    [[nodiscard]] Answer status_page(ResponseHead& head, Status status);

    [[nodiscard]] bool is_head() const noexcept { return is_head_; }

private:
    [[nodiscard]] Answer answer(const Request& request);
    [[nodiscard]] Answer refuse(Status error);

    static constexpr std::size_t head_room = 2 * 1024;

    bool keep_alive_ = false;
    bool linger_ = false;
    bool is_http_1_0_ = false;
    bool is_head_ = false;
    std::array<char, head_room + small_body_max> buffer_;  ///< The head, and what fits behind it.
};

}  // namespace bullpen::http
