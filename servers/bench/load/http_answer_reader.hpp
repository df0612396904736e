/// An HTTP answer as the load client reads it.
#pragma once

#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "servers/bench/load/answer_reader.hpp"

namespace bullpen {

/// The right answer.
struct HttpExpectation {
    std::optional<std::uint64_t> body_size = {};  ///< Nothing: any.
    bool any_status = false;                      ///< Else 200.
    bool head_only = false;                       ///< The answer to HEAD.
};

/// Its status, whether the connection ends with it, and the number of its body's bytes.
class HttpAnswerReader final : public AnswerReader {
public:
    static constexpr std::size_t head_max = 16 * 1024;  ///< Bytes of a head, and of a line between chunks.

    explicit HttpAnswerReader(const HttpExpectation& expected = {});
    ~HttpAnswerReader() override;

    void expect(const Dialogue& dialogue) override;
    void expect(const HttpExpectation& expected);
    AnswerState take(std::string_view bytes) override;
    [[nodiscard]] AnswerState end() const override;
    [[nodiscard]] bool begun() const override { return begun_; }
    [[nodiscard]] bool is_last() const override;
    [[nodiscard]] int status() const override;  ///< 0 until the head is complete.

    [[nodiscard]] std::uint64_t body_size() const;  ///< As far as it has come.

private:
    class Parser;

    void start();
    AnswerState parse(std::string_view bytes, std::size_t& taken);
    std::size_t put_rewritten(std::string_view bytes, boost::system::error_code& error);
    [[nodiscard]] AnswerState judge() const;

    HttpExpectation expected_;
    std::string
        pending_;  ///< What the parser takes only when more of it is there: a head, a line between chunks.
    bool begun_ = false;
    std::unique_ptr<Parser> parser_;
};

}  // namespace bullpen
