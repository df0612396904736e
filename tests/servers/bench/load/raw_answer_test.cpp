#include "servers/bench/load/raw_answer.hpp"

#include <doctest/doctest.h>

#include "servers/bench/load/dialogue.hpp"

using namespace bullpen;

TEST_SUITE("cli: answers without a protocol") {
    TEST_CASE("an echo is complete when the whole message is back, and wrong at the first other byte") {
        const Dialogue echo = echo_dialogue(std::string{"message"});
        EchoAnswer answer{echo.request};
        CHECK(answer.take("mess") == AnswerState::incomplete);
        CHECK(answer.begun());
        CHECK(answer.end() == AnswerState::incomplete);
        CHECK(answer.take("age") == AnswerState::complete);
        CHECK(answer.take("x") == AnswerState::wrong);
        answer.expect(echo);
        CHECK_FALSE(answer.begun());
        CHECK(answer.take("mexx") == AnswerState::wrong);
        answer.expect(echo);
        CHECK(answer.take("message and more") == AnswerState::wrong);
    }

    TEST_CASE("whatever comes until the server closes is an answer, nothing is none") {
        UntilEndAnswer answer;
        CHECK(answer.end() == AnswerState::incomplete);
        CHECK(answer.take("any") == AnswerState::incomplete);
        CHECK(answer.begun());
        CHECK(answer.end() == AnswerState::complete);
    }
}
