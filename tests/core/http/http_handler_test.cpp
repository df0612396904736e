#include <bullpen/http_handler.hpp>

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/contains.hpp"
#include "tests/core/connection_pair.hpp"

using namespace bullpen;

namespace {

/// All that a client gets which sends these bytes and ends its side.
template <typename Function>
std::string answers_to(std::string_view bytes, Function function, HttpOptions options = {}) {
    ConnectionPair pair = pair_of(unix_sockets());
    pair.server.set_socket_timeouts();
    say(pair.client, bytes);
    ::shutdown(pair.client.get(), SHUT_WR);
    const HttpHandler handler = http_handler(std::move(function), options);
    CHECK(handler(pair.server) == Next::close);
    pair.server.shutdown_write();
    std::string all(100'000, '\0');
    const ssize_t size = ::recv(pair.client.get(), all.data(), all.size(), MSG_WAITALL);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return all;
}

std::string get(std::string_view target) {
    return "GET " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

std::string answer_of(HttpAnswer answer, std::string_view method = "GET") {
    return answers_to(std::string{method} + " / HTTP/1.1\r\nHost: x\r\n\r\n",
                      [&](const HttpRequest&) { return answer; });
}

std::string path_of(std::string_view target) {
    std::string path;
    answers_to(get(target), [&](const HttpRequest& request) -> HttpAnswer {
        path = request.path;
        return {};
    });
    return path;
}

}  // namespace

TEST_SUITE("http handler") {
    TEST_CASE("fields are found by name, whatever its case, as often as they are there") {
        const HttpFields fields{
            "Host: a\r\nX-Many:1\r\nEmpty:\r\nx-mAny: \t2 b \t\r\nno field\r\nX-Man: 3\r\n"};
        CHECK(fields.first("host") == "a");
        CHECK(fields.first("x-many") == "1");
        CHECK(fields.first("empty") == "");
        CHECK(!fields.first("no field"));
        CHECK(!fields.first("x-ma"));
        CHECK(fields.all("X-MANY") == std::vector<std::string_view>{"1", "2 b"});
        CHECK(fields.all("none").empty());
        CHECK(fields.all().size() == 5);
        CHECK(fields.all()[3] == std::pair<std::string_view, std::string_view>{"x-mAny", "2 b"});
        CHECK(HttpFields{}.all().empty());
    }

    TEST_CASE("the function is told what was asked, once for each request") {
        int calls = 0;
        const auto function = [&](const HttpRequest& request) -> HttpAnswer {
            ++calls;
            CHECK(request.method == "PUT");
            CHECK(request.target == "//a%20b/%2f?c=%20&d");
            CHECK(request.path == "/a b//");
            CHECK(request.query == "c=%20&d");
            CHECK(request.fields.first("x-field") == "value");
            CHECK(request.body == "12345");
            CHECK(request.peer.family() == AF_UNIX);
            return {.body = "done"};
        };
        const std::string request =
            "PUT //a%20b/%2f?c=%20&d HTTP/1.1\r\nHost: x\r\nX-Field: value\r\nContent-Length: 5\r\n\r\n12345";
        const std::string both = answers_to(request + request, function);
        CHECK(calls == 2);
        CHECK(both.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(contains(both, "\r\nContent-Length: 4\r\n"));
        CHECK(contains(both, "\r\nDate: "));
        CHECK(contains(both, "\r\n\r\ndoneHTTP/1.1 200 OK\r\n"));
    }

    TEST_CASE("a path is decoded, and has no dots that lead elsewhere") {
        CHECK(path_of("/") == "/");
        CHECK(path_of("http://x") == "/");
        CHECK(path_of("/a/b%3F?c") == "/a/b?");
        for (const char* const bad : {"/a/../b", "/%2e%2E/b", "/.", "/%00", "/%zz", "*", "a"})
            CHECK_MESSAGE(path_of(bad).empty(), bad);
        CHECK(contains(answers_to("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
                                  [](const HttpRequest& request) -> HttpAnswer {
                                      return {.body = std::string{request.path}};
                                  }),
                       "\r\n\r\n*"));
    }

    TEST_CASE("a function that can't be copied keeps what it has") {
        const std::string two = answers_to(
            get("/") + get("/"), [count = std::make_unique<int>(0)](const HttpRequest&) -> HttpAnswer {
                return {.body = "call " + std::to_string(++*count)};
            });
        CHECK(contains(two, "call 1"));
        CHECK(contains(two, "call 2"));
    }

    TEST_CASE("an answer has its status, its type and its fields") {
        const std::string created = answer_of({.status = 201,
                                               .content_type = "application/json",
                                               .body = "{}",
                                               .fields = {{"Location", "/items/1"}, {"X-Two", ""}}});
        CHECK(created.starts_with("HTTP/1.1 201 Created\r\n"));
        for (const char* const line :
             {"Content-Type: application/json", "Content-Length: 2", "Location: /items/1", "X-Two: "})
            CHECK(contains(created, "\r\n" + std::string{line} + "\r\n"));
        CHECK(answer_of({.status = 299}).starts_with("HTTP/1.1 299 \r\n"));
        CHECK(!contains(answer_of({.content_type = ""}), "\r\nContent-Type:"));
    }

    TEST_CASE("what has no body gets none") {
        for (const int status : {204, 205, 304}) {
            const std::string answer = answer_of({.status = status, .body = "the body"});
            CHECK(answer.ends_with("\r\n\r\n"));
            CHECK(contains(answer, "Content-Length: 0") == (status == 205));
        }
        const std::string head = answer_of({.body = std::string(50'000, 'x')}, "HEAD");
        CHECK(contains(head, "\r\nContent-Length: 50000\r\n"));
        CHECK(head.ends_with("\r\n\r\n"));
    }

    TEST_CASE("a large answer is whole") {
        const std::string answer = answer_of({.body = std::string(60'000, 'x') + "y"});
        CHECK(answer.ends_with("\r\n\r\n" + std::string(60'000, 'x') + "y"));
    }

    TEST_CASE("an answer that would be another one on the wire is a 500") {
        const std::string split = "a\r\nSet-Cookie: b";
        const std::string bad[] = {answer_of({.status = 199}),
                                   answer_of({.status = 600}),
                                   answer_of({.status = -1}),
                                   answer_of({.content_type = split}),
                                   answer_of({.fields = {{"X", split}}}),
                                   answer_of({.fields = {{"X", "a\n"}}}),
                                   answer_of({.fields = {{"X", std::string(1, '\0')}}}),
                                   answer_of({.fields = {{split, "x"}}}),
                                   answer_of({.fields = {{"", "x"}}}),
                                   answer_of({.fields = {{"X ", "x"}}}),
                                   answer_of({.fields = {{"content-LENGTH", "1"}}}),
                                   answer_of({.fields = {{"Transfer-Encoding", "chunked"}}}),
                                   answer_of({.fields = {{"X", std::string(50'000, 'x')}}})};
        for (const std::string& answer : bad) {
            CHECK(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
            CHECK(!contains(answer, "Set-Cookie"));
        }
    }

    TEST_CASE("what the function throws is a 500, and the next request is answered") {
        int calls = 0;
        const std::string both =
            answers_to(get("/1") + get("/2") + get("/3"), [&](const HttpRequest&) -> HttpAnswer {
                if (++calls == 1) throw std::system_error{EACCES, std::generic_category()};
                if (calls == 2) throw 7;
                return {};
            });
        CHECK(calls == 3);
        CHECK(both.starts_with("HTTP/1.1 500 "));
        CHECK(contains(both, "\nHTTP/1.1 500 "));
        CHECK(contains(both, "\nHTTP/1.1 200 "));
    }

    TEST_CASE("a body that is too long is refused before it is there") {
        const auto size = [](const HttpRequest& request) -> HttpAnswer {
            return {.body = std::to_string(request.body.size())};
        };
        const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
        const HttpOptions four{.body_max = 4};
        CHECK(contains(answers_to(head + "Content-Length: 4\r\n\r\n1234", size, four), "\r\n\r\n4"));
        const std::string long_one = answers_to(head + "Content-Length: 5\r\n\r\n", size, four);
        CHECK(long_one.starts_with("HTTP/1.1 413 Content Too Large\r\n"));
        CHECK(contains(long_one, "\r\nConnection: close\r\n"));
        CHECK(answers_to(head + "Transfer-Encoding: chunked\r\n\r\n5", size, four)
                  .starts_with("HTTP/1.1 413 "));
    }

    TEST_CASE("the answer without a server is the function's") {
        const HttpHandler handler = http_handler([](const HttpRequest& request) -> HttpAnswer {
            return {.status = 202, .body = std::string{request.body}};
        });
        CHECK(handler.answer({.body = "text"}).body == "text");
        CHECK(handler.options().body_max == 1024 * 1024);
    }
}
