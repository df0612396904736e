/// Answers without a protocol: an echo, or whatever comes.
#pragma once

#include <cstddef>
#include <string_view>

#include "servers/bench/load/answer_reader.hpp"

namespace bullpen {

/// The message itself, byte for byte.
class EchoAnswer final : public AnswerReader {
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
class UntilEndAnswer final : public AnswerReader {
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
