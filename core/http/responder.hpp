/// A responder turns requests into answers and does no I/O with the client: the part of an HTTP service that
/// its blocking and its asynchronous form share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/http/answer.hpp"
#include "core/http/head_buffer.hpp"
#include "core/http/request.hpp"
#include "core/http/response_head.hpp"

namespace bullpen::http {

/// Answers the requests of one connection, one after the other. This class does what is the same for every
/// service: bad requests, the headers of every answer, keep-alive.
class Responder {
public:
    Responder() noexcept {}  // Not defaulted: buffer_ would be filled with zeros.
    virtual ~Responder() = default;
    Responder(const Responder&) = delete;
    Responder& operator=(const Responder&) = delete;

    /// Bytes of a body up to which it is thrown away and the connection goes on; behind a longer one, a
    /// chunked one, and one that the client may hold back (Expect), it is closed.
    static constexpr std::uint32_t request_body_max = 64 * 1024;

    /// The answer to `found`, which may be any outcome but end. While the server is draining, the answer is
    /// the connection's last. If it has a `body_wanted`, it is none yet: then comes answer_body() or
    /// refuse_body().
    [[nodiscard]] Answer answer(HeadBuffer::Outcome found, std::string_view head, bool has_more,
                                bool draining);

    /// The answer to the request whose body was wanted and now read, and whose head must still be there.
    [[nodiscard]] Answer answer_body(std::string_view body, bool has_more, bool draining);

    /// The last answer of a connection: to a request whose body is none, is too long, or ends too early.
    [[nodiscard]] Answer refuse_body(Status error);

    /// The body that answers with a body_size send repeatedly; one for all answers of a service.
    [[nodiscard]] virtual std::string_view repeated_body() const noexcept { return {}; }

protected:
    // A body of up to this many bytes is copied behind its head, so that both leave in one call; for a larger
    // one, sendfile(2) saves more than the second call costs.
    static constexpr std::size_t small_body_max = 32 * 1024;

    /// The answer to a valid request, of whatever method and target. What it throws is answered with a
    /// status.
    virtual Answer answer_request(const Request& request, std::string_view head) = 0;

    /// The answer to a request whose body was wanted; called for no other.
    virtual Answer answer_with(std::string_view /*body*/) { return status_page(Status::internal_error); }

    struct Page {
        std::string_view text;
        std::string_view type;
    };

    /// The body of an answer that only shows its status; nothing: the status and its phrase. The answer
    /// borrows it. Throws nothing.
    [[nodiscard]] virtual std::optional<Page> page_for(Status) { return {}; }

    /// What to answer when a system call for an answer has failed with this errno value.
    [[nodiscard]] static Status status_of_trouble(int error) noexcept;

    /// Begins a head with the headers that every answer has.
    [[nodiscard]] ResponseHead begin(Status status) { return begin(status_text(status)); }
    [[nodiscard]] ResponseHead begin(std::string_view status_text);

    /// An answer of the head alone, because there is no body or the request was HEAD.
    [[nodiscard]] Answer finish(ResponseHead& head);

    /// An answer of the head, which must have a Content-Length, and a body of up to small_body_max bytes.
    [[nodiscard]] Answer finish(ResponseHead& head, std::string_view body);

    /// An answer with all of the page, of any size; it borrows it.
    [[nodiscard]] Answer finish(ResponseHead& head, const Page& page);

    /// An answer of the head and a small body, whose bytes the caller writes into the span that is returned.
    [[nodiscard]] std::span<char> finish(ResponseHead& head, std::size_t body_size, Answer& answer);

    /// An answer with a body of any size, which is borrowed until the next answer.
    [[nodiscard]] Answer page(Status status, std::string_view type, std::string_view body);

    /// An answer whose page shows only the status.
    [[nodiscard]] Answer status_page(Status status);
    [[nodiscard]] Answer status_page(ResponseHead& head, Status status);

    /// The log gets to know what it was.
    [[nodiscard]] Answer answer_trouble(Status status, const char* what);

    [[nodiscard]] bool is_head() const noexcept { return is_head_; }

private:
    template <typename Make>
    [[nodiscard]] Answer answer_or_status(Make make);

    [[nodiscard]] Answer refuse(Status error);

    static constexpr std::size_t head_room = 6 * 1024;

    std::string_view target_;  ///< Of the request that is being answered.
    bool client_keeps_alive_ = false;
    bool keep_alive_ = false;
    bool linger_ = false;
    std::uint32_t request_body_size_ = 0;
    bool is_http_1_0_ = false;
    bool is_head_ = false;
    std::array<char, head_room + small_body_max> buffer_;  ///< The head, and a small body behind it.
};

}  // namespace bullpen::http
