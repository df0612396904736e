#include "servers/bench/load/raw_answer.hpp"

#include "servers/bench/load/dialogue.hpp"

namespace bullpen {

void EchoAnswer::expect(const Dialogue& dialogue) {
    message_ = dialogue.request;
    matched_ = 0;
}

AnswerState EchoAnswer::take(std::string_view bytes) {
    if (message_.substr(matched_, bytes.size()) != bytes) return AnswerState::wrong;
    matched_ += bytes.size();
    return matched_ == message_.size() ? AnswerState::complete : AnswerState::incomplete;
}

}  // namespace bullpen
