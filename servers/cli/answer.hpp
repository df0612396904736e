/// What comes back to the load client, read as far as needed to know where it ends and whether it is right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bullpen {

struct Dialogue;

/// How far an answer has come.
enum class AnswerState { incomplete, complete, wrong };

/// One connection's view of the answers that come back to it, fed with bytes as they arrive. All the
/// dialogues that it is told about must be of its own protocol.
class Answer {
public:
    virtual ~Answer() = default;

    /// Forgets the last answer and waits for the one to this dialogue's request, which must live until then.
    virtual void expect(const Dialogue& dialogue) = 0;

    /// Bytes have arrived. Bytes beyond a complete answer make it wrong.
    virtual AnswerState take(std::string_view bytes) = 0;

    /// The server has ended its side before the answer was complete.
    [[nodiscard]] virtual AnswerState end() const = 0;

    /// A byte of the present answer has arrived.
    [[nodiscard]] virtual bool begun() const = 0;

    /// The server has announced that it closes after this answer.
    [[nodiscard]] virtual bool is_last() const { return false; }

    /// 0 where the protocol has none.
    [[nodiscard]] virtual int status() const { return 0; }
};

struct HttpExpectation {
    std::optional<std::uint64_t> body_size = {};  ///< Nothing: any.
    bool any_status = false;                      ///< Else 200.
    bool head_only = false;                       ///< The answer to HEAD.
};

/// Where the body of chunks (RFC 9112 7.1) ends, and how many bytes it has.
class ChunkedBody {
public:
    AnswerState take(std::string_view bytes);
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    enum class At { size, extension, data, data_end, trailer };
    bool take_size_digit(char digit);
    bool take_sign(char sign);

    At at_ = At::size;
    bool any_digit_ = false;
    bool line_empty_ = true;  ///< Of the trailer.
    bool complete_ = false;
    std::uint64_t left_ = 0;  ///< Of the present chunk.
    std::uint64_t size_ = 0;
};

/// An HTTP response: its head as far as needed, and the number of its body's bytes.
class HttpAnswer final : public Answer {
public:
    static constexpr std::size_t head_max = 16 * 1024;

    explicit HttpAnswer(const HttpExpectation& expected = {}) : expected_{expected} {}

    void expect(const Dialogue& dialogue) override;
    void expect(const HttpExpectation& expected);
    AnswerState take(std::string_view bytes) override;
    [[nodiscard]] AnswerState end() const override;
    [[nodiscard]] bool begun() const override { return begun_; }
    [[nodiscard]] bool is_last() const override { return closes_; }
    [[nodiscard]] int status() const override { return status_; }  ///< 0 until the head is complete.

    [[nodiscard]] std::uint64_t body_size() const { return body_size_; }  ///< As far as it has come.

private:
    bool read_head(std::string_view head);
    bool read_field(std::string_view line);
    AnswerState take_body(std::string_view bytes);
    [[nodiscard]] AnswerState judge() const;

    HttpExpectation expected_;
    std::string partial_head_;
    bool begun_ = false;
    bool in_body_ = false;
    int status_ = 0;
    bool closes_ = false;
    std::optional<std::uint64_t> content_length_;  ///< Nothing: the body ends with the connection.
    std::optional<ChunkedBody> chunks_;
    std::uint64_t body_size_ = 0;
};

/// The message itself, byte for byte.
class EchoAnswer final : public Answer {
public:
    explicit EchoAnswer(std::string_view message = {}) : message_{message} {}

    void expect(const Dialogue& dialogue) override;
    AnswerState take(std::string_view bytes) override;
    [[nodiscard]] AnswerState end() const override { return AnswerState::incomplete; }
    [[nodiscard]] bool begun() const override { return matched_ > 0; }

private:
    std::string_view message_;
    std::size_t matched_ = 0;
};

/// Whatever comes until the server closes; nothing is no answer.
class UntilEndAnswer final : public Answer {
public:
    void expect(const Dialogue&) override { begun_ = false; }
    AnswerState take(std::string_view) override {
        begun_ = true;
        return AnswerState::incomplete;
    }
    [[nodiscard]] AnswerState end() const override {
        return begun_ ? AnswerState::complete : AnswerState::incomplete;
    }
    [[nodiscard]] bool begun() const override { return begun_; }

private:
    bool begun_ = false;
};

}  // namespace bullpen
