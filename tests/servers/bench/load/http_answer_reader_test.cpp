#include "servers/bench/load/http_answer_reader.hpp"

#include <doctest/doctest.h>

#include "servers/bench/load/dialogue.hpp"

using namespace bullpen;

namespace {

const std::string head = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\n";

AnswerState state_after(std::string_view bytes, std::optional<std::uint64_t> expected_size = 5) {
    HttpAnswerReader answer{{.body_size = expected_size}};
    return answer.take(bytes);
}

}  // namespace

TEST_SUITE("cli: answers") {
    TEST_CASE("an HTTP answer is complete with its last byte, however it is cut") {
        const std::string whole = head + "hello";
        for (std::size_t first = 1; first < whole.size(); ++first) {
            HttpAnswerReader answer{{.body_size = 5}};
            CHECK_FALSE(answer.begun());
            CHECK(answer.take(whole.substr(0, first)) == AnswerState::incomplete);
            CHECK(answer.begun());
            CHECK(answer.take(whole.substr(first)) == AnswerState::complete);
            CHECK(answer.status() == 200);
            CHECK(answer.body_size() == 5);
        }
        HttpAnswerReader by_bytes{{.body_size = 5}};
        for (std::size_t i = 0; i + 1 < whole.size(); ++i)
            REQUIRE(by_bytes.take(whole.substr(i, 1)) == AnswerState::incomplete);
        CHECK(by_bytes.take("o") == AnswerState::complete);
    }

    TEST_CASE("another status or size than expected is wrong") {
        CHECK(state_after("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello") == AnswerState::wrong);
        CHECK(state_after(head + "hello", 6) == AnswerState::wrong);
        CHECK(state_after(head + "hello!") == AnswerState::wrong);
        CHECK(state_after(head + "hello", std::nullopt) == AnswerState::complete);
        CHECK(state_after("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0) == AnswerState::complete);
    }

    TEST_CASE("what is no HTTP answer is wrong") {
        CHECK(state_after("SSH-2.0-x\r\n\r\n") == AnswerState::wrong);
        CHECK(state_after("HTTP/1.1 abc\r\n\r\n") == AnswerState::wrong);
        CHECK(state_after("HTTP/1.1 200 OK\r\nno colon\r\n\r\n") == AnswerState::wrong);
        CHECK(state_after("HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello") == AnswerState::wrong);
        CHECK(state_after("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello") == AnswerState::wrong);
        CHECK(state_after(std::string(HttpAnswerReader::head_max + 1, 'x')) == AnswerState::wrong);
    }

    TEST_CASE("a later minor version is read as 1.1, however the answer is cut") {
        for (char minor = '2'; minor <= '9'; ++minor) {
            const std::string whole = "HTTP/1." + std::string{minor} + head.substr(8) + "hello";
            for (std::size_t first = 1; first < whole.size(); ++first) {
                HttpAnswerReader answer{{.body_size = 5}};
                CHECK(answer.take(whole.substr(0, first)) == AnswerState::incomplete);
                CHECK(answer.take(whole.substr(first)) == AnswerState::complete);
                CHECK_FALSE(answer.is_last());
            }
        }
        for (const char* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/1.", "HTTP/1.22", "HTTP/1.x"})
            CHECK(state_after(version + head.substr(8) + "hello") == AnswerState::wrong);
    }

    TEST_CASE("an answer without a length ends with the connection") {
        HttpAnswerReader answer{{.body_size = 5}};
        CHECK(answer.take("HTTP/1.1 200 OK\r\n\r\nhel") == AnswerState::incomplete);
        CHECK(answer.take("lo") == AnswerState::incomplete);
        CHECK(answer.end() == AnswerState::complete);
        CHECK(answer.take("!") == AnswerState::incomplete);
        CHECK(answer.end() == AnswerState::wrong);
    }

    TEST_CASE("a connection that ends in the middle of an answer leaves it incomplete") {
        HttpAnswerReader answer{{.body_size = 5}};
        CHECK(answer.end() == AnswerState::incomplete);
        answer.take("HTTP/1.1 200");
        CHECK(answer.end() == AnswerState::incomplete);
        answer.expect(HttpExpectation{.body_size = 5});
        answer.take(head + "hel");
        CHECK(answer.end() == AnswerState::incomplete);
    }

    TEST_CASE("a server may announce that it closes, in any case of letters") {
        HttpAnswerReader answer{{.body_size = 0}};
        answer.take("HTTP/1.1 200 OK\r\ncontent-LENGTH: 0\r\nCONNECTION: Close\r\n\r\n");
        CHECK(answer.is_last());
        answer.expect(HttpExpectation{.body_size = 5});
        answer.take("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        CHECK_FALSE(answer.is_last());
        answer.expect(HttpExpectation{.body_size = 5});
        answer.take("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
        CHECK(answer.is_last());
    }

    TEST_CASE("one HTTP answer after the other is read anew") {
        HttpAnswerReader answer{{.body_size = 5}};
        for (int i = 0; i < 3; ++i) {
            answer.expect(HttpExpectation{.body_size = 5});
            CHECK_FALSE(answer.begun());
            CHECK(answer.status() == 0);
            CHECK(answer.take(head) == AnswerState::incomplete);
            CHECK(answer.take("hello") == AnswerState::complete);
        }
    }

    TEST_CASE("a body of chunks is complete with its last byte, however it is cut") {
        const std::string whole =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
            "3\r\nhel\r\n02;name=value\r\nlo\r\n0\r\nTrailer: x\r\n\r\n";
        for (std::size_t first = 1; first < whole.size(); ++first) {
            HttpAnswerReader answer{{.body_size = 5}};
            REQUIRE(answer.take(whole.substr(0, first)) == AnswerState::incomplete);
            CHECK(answer.end() == AnswerState::incomplete);
            REQUIRE(answer.take(whole.substr(first)) == AnswerState::complete);
            CHECK(answer.body_size() == 5);
        }
    }

    TEST_CASE("chunks that make no sense are wrong") {
        const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        CHECK(state_after(chunked + "x\r\n") == AnswerState::wrong);
        CHECK(state_after(chunked + "\r\n") == AnswerState::wrong);
        CHECK(state_after(chunked + "fffffffffffffffff\r\n") == AnswerState::wrong);
        CHECK(state_after(chunked + "1\r\nabc\r\n") == AnswerState::wrong);
        CHECK(state_after(chunked + "0\r\n\r\n") == AnswerState::wrong);  // 5 bytes are expected.
        CHECK(state_after(chunked + "0\r\n\r\n", 0) == AnswerState::complete);
        CHECK(state_after(chunked + "0\r\n\r\n!", 0) == AnswerState::wrong);
    }

    TEST_CASE("a body with several codings ends where chunked ends, if that is the last") {
        for (const char* lines : {"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: gzip,Chunked",
                                  "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                                  "Transfer-Encoding: gzip,\r\n chunked"}) {
            CAPTURE(lines);
            const std::string whole =
                std::string{"HTTP/1.1 200 OK\r\n"} + lines + "\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
            CHECK(state_after(whole) == AnswerState::complete);
            CHECK(state_after(whole + "!") == AnswerState::wrong);
        }
    }

    TEST_CASE("a body whose last coding is another one ends with the connection") {
        HttpAnswerReader answer{{.body_size = 5}};
        CHECK(answer.take("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello") ==
              AnswerState::incomplete);
        CHECK(answer.end() == AnswerState::complete);
    }

    TEST_CASE("an answer whose end two readers could understand differently is wrong") {
        for (const char* lines : {
                 "Content-Length: 5\r\nContent-Length: 6",
                 "Content-Length: 6\r\nContent-Length: 5",
                 "Content-Length: 5, 6",
                 "Content-Length: 5\r\nTransfer-Encoding: chunked",
                 "Transfer-Encoding: chunked\r\nContent-Length: 5",
                 "Content-Length: 5\r\nTransfer-Encoding: gzip",
                 "Transfer-Encoding: gzip\r\nContent-Length: 5",
                 "Transfer-Encoding: chunked, gzip",
                 "Transfer-Encoding: chunked, chunked",
                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                 "Transfer-Encoding: gzip;=, chunked",
                 "Transfer-Encoding: \x01",
             }) {
            CAPTURE(lines);
            for (const std::string version : {"HTTP/1.1", "HTTP/1.0"})
                for (const bool head_only : {false, true}) {
                    HttpAnswerReader answer{{.any_status = true, .head_only = head_only}};
                    CHECK(answer.take(version + " 200 OK\r\n" + lines + "\r\n\r\nhello") ==
                          AnswerState::wrong);
                }
        }
        CHECK(state_after("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n") ==
              AnswerState::wrong);
        CHECK(state_after("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello") ==
              AnswerState::complete);
    }

    TEST_CASE("a field may be folded over several lines, however the answer is cut") {
        for (const char* folded : {"X: a\r\n b", "X: a\r\n\tb\r\n  c", "X:\r\n a", "X:\r\n \r\n a",
                                   "X: a\r\n ", "X:\r\n ", "Content-Length:\r\n 5", "X: a \r\n b \r\n c "}) {
            const bool has_length = std::string_view{folded}.starts_with("Content");
            for (const bool last : {false, true}) {
                const std::string length = has_length ? "Server: x" : "Content-Length: 5";
                const std::string whole = "HTTP/1.1 200 OK\r\n" +
                                          (last ? length + "\r\n" + folded : folded + ("\r\n" + length)) +
                                          "\r\n\r\nhello";
                CAPTURE(whole);
                CHECK(state_after(whole) == AnswerState::complete);
                for (std::size_t first = 1; first < whole.size(); ++first) {
                    CAPTURE(first);
                    HttpAnswerReader answer{{.body_size = 5}};
                    REQUIRE(answer.take(whole.substr(0, first)) == AnswerState::incomplete);
                    REQUIRE(answer.take(whole.substr(first)) == AnswerState::complete);
                }
            }
        }
    }

    TEST_CASE("a folded value may be as long as a head, and one byte at a time") {
        const std::string folded = "X: " + std::string(5'000, 'a') + "\r\n " + std::string(5'000, 'b');
        const std::string whole = "HTTP/1.1 200 OK\r\n" + folded + "\r\nContent-Length: 5\r\n\r\nhello";
        CHECK(state_after(whole) == AnswerState::complete);
        CHECK(state_after("HTTP/1.1 103 Early\r\n" + folded + "\r\n\r\n" + whole) == AnswerState::complete);
        HttpAnswerReader answer{{.body_size = 5}};
        for (std::size_t i = 0; i + 1 < whole.size(); ++i)
            REQUIRE(answer.take(whole.substr(i, 1)) == AnswerState::incomplete);
        CHECK(answer.take("o") == AnswerState::complete);
    }

    TEST_CASE("a blank line's beginning between the status line and the first field is wrong") {
        CHECK(state_after("HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 5\r\n\r\nhello") ==
              AnswerState::wrong);
    }

    TEST_CASE("answers to HEAD, and those of 204 and 304, have no body whatever their length says") {
        HttpAnswerReader to_head{{.any_status = true, .head_only = true}};
        CHECK(to_head.take(head) == AnswerState::complete);
        HttpAnswerReader answer{{.any_status = true}};
        CHECK(answer.take("HTTP/1.1 204 No Content\r\n\r\n") == AnswerState::complete);
        answer.expect(HttpExpectation{.any_status = true});
        CHECK(answer.take("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n") == AnswerState::complete);
    }

    TEST_CASE("an interim answer is not the answer") {
        HttpAnswerReader answer{{.body_size = 5}};
        CHECK(answer.take("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") == AnswerState::incomplete);
        CHECK(answer.take("HTTP/1.1 100 Continue\r\n\r\n" + head + "hello") == AnswerState::complete);
        CHECK(answer.status() == 200);
    }

    TEST_CASE("where any status will do, it is said which it was") {
        HttpAnswerReader answer{{.any_status = true}};
        CHECK(answer.take("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") == AnswerState::complete);
        CHECK(answer.status() == 503);
    }
}
