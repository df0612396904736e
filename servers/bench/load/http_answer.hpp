/// An HTTP answer as the load client reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "servers/bench/load/answer_reader.hpp"
#include "servers/bench/load/chunked_body.hpp"

namespace bullpen {

/// The right answer.
struct HttpExpectation {
    std::optional<std::uint64_t> body_size = {};  ///< Nothing: any.
    bool any_status = false;                      ///< Else 200.
    bool head_only = false;                       ///< The answer to HEAD.
};

/// Its head as far as needed, and the number of its body's bytes.
class HttpAnswer final : public AnswerReader {
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

}  // namespace bullpen
