/// What the load client and a service say to each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bullpen {

/// How far an answer has come.
enum class AnswerState { incomplete, complete, wrong };

/// One connection's view of the answers that come back to it, fed with bytes as they arrive.
class Answer {
public:
    virtual ~Answer() = default;

    /// Forgets the last answer and waits for the next one.
    virtual void expect() = 0;

    /// Bytes have arrived. Bytes beyond a complete answer make it wrong.
    virtual AnswerState take(std::string_view bytes) = 0;

    /// The server has ended its side before the answer was complete.
    [[nodiscard]] virtual AnswerState end() const = 0;

    /// A byte of the present answer has arrived.
    [[nodiscard]] virtual bool begun() const = 0;

    /// The server has announced that it closes after this answer.
    [[nodiscard]] virtual bool is_last() const { return false; }
};

/// An HTTP response: its head as far as needed, and the number of its body's bytes.
class HttpAnswer final : public Answer {
public:
    static constexpr std::size_t head_max = 16 * 1024;

    /// Right is status 200 with a body of `expected_size` bytes, or of any size.
    explicit HttpAnswer(std::optional<std::uint64_t> expected_size) : expected_size_{expected_size} {}

    void expect() override;
    AnswerState take(std::string_view bytes) override;
    [[nodiscard]] AnswerState end() const override;
    [[nodiscard]] bool begun() const override { return begun_; }
    [[nodiscard]] bool is_last() const override { return closes_; }

    [[nodiscard]] int status() const { return status_; }  ///< 0 until the head is complete and well-formed.
    [[nodiscard]] std::uint64_t body_size() const { return body_size_; }  ///< As far as it has come.

private:
    bool read_head(std::string_view head);
    [[nodiscard]] bool right(std::uint64_t size) const;

    std::optional<std::uint64_t> expected_size_;
    std::string partial_head_;
    bool begun_ = false;
    bool in_body_ = false;
    int status_ = 0;
    bool closes_ = false;
    std::optional<std::uint64_t> content_length_;  ///< Nothing: the body ends with the connection.
    std::uint64_t body_size_ = 0;
};

/// The message itself, byte for byte.
class EchoAnswer final : public Answer {
public:
    explicit EchoAnswer(std::string message) : message_{std::move(message)} {}

    void expect() override { matched_ = 0; }
    AnswerState take(std::string_view bytes) override;
    [[nodiscard]] AnswerState end() const override { return AnswerState::incomplete; }
    [[nodiscard]] bool begun() const override { return matched_ > 0; }

private:
    std::string message_;
    std::size_t matched_ = 0;
};

/// Request by request: `request` while more will follow on the connection, `last_request` when none will.
/// After the last answer the client waits for the server to close, so that TIME_WAIT is the server's.
struct Dialogue {
    std::string request;
    std::string last_request;
    bool half_close =
        false;  ///< The client ends its side after the last request; else the server must see it end.
    std::function<std::unique_ptr<Answer>()> make_answer;
};

Dialogue http_dialogue(const std::string& host, const std::string& path,
                       std::optional<std::uint64_t> expected_size);
Dialogue echo_dialogue(std::size_t message_size);

}  // namespace bullpen
