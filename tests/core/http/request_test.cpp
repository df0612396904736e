#include "core/http/request.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace bullpen::http;

namespace {

Request parsed(const std::string& head) {
    CAPTURE(head);
    const auto result = parse_request(head);
    REQUIRE(std::holds_alternative<Request>(result));
    return std::get<Request>(result);  // Its views are of a string that lives in the caller.
}

Status refused(const std::string& head) {
    CAPTURE(head);
    const auto result = parse_request(head);
    REQUIRE(std::holds_alternative<Status>(result));
    return std::get<Status>(result);
}

const std::string host = "Host: x\r\n";
const std::string get = "GET /a HTTP/1.1\r\n" + host;

}  // namespace

TEST_SUITE("request") {
    TEST_CASE("a browser's request is understood") {
        const std::string head =
            get +
            "If-None-Match: \"1\"\r\nIf-modified-since: then\r\nRANGE:bytes=0-1  \r\nIf-Range: \"2\"\r\n\r\n";
        const Request request = parsed(head);
        CHECK(request.method == Method::get);
        CHECK(request.target == "/a");
        CHECK(request.keep_alive);
        CHECK_FALSE(request.is_http_1_0);
        CHECK_FALSE(request.has_body);
        CHECK(request.range == "bytes=0-1");
        CHECK(request.conditions.if_none_match.single() == "\"1\"");
        CHECK(request.conditions.if_modified_since.single() == "then");
        CHECK(request.conditions.if_range.single() == "\"2\"");
    }

    TEST_CASE("several lines of a condition are all there, and an empty one is") {
        const std::string head = get +
                                 "If-None-Match: \"1\"\r\nIf-None-Match: \"2\", \"3\"\r\nIf-Match:\r\n"
                                 "If-Range: \"1\"\r\nIf-Range: \"1\"\r\n"
                                 "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n\r\n";
        const Request request = parsed(head);
        const auto lines_of = [](const FieldLines& lines) {
            std::vector<std::string_view> all;
            lines.for_each([&](std::string_view line) { all.push_back(line); });
            return all;
        };
        CHECK(lines_of(request.conditions.if_none_match) ==
              std::vector<std::string_view>{"\"1\"", "\"2\", \"3\""});
        CHECK(request.conditions.if_match.single() == "");
        CHECK_FALSE(request.conditions.if_range.empty());
        CHECK_FALSE(request.conditions.if_range.single());
        CHECK(request.conditions.if_modified_since.empty());
        CHECK(lines_of(request.accept_encoding) == std::vector<std::string_view>{"br", "gzip"});
    }

    TEST_CASE("methods are told apart, with regard to case") {
        CHECK(parsed("HEAD / HTTP/1.1\r\n" + host + "\r\n").method == Method::head);
        CHECK(parsed("POST / HTTP/1.1\r\n" + host + "\r\n").method == Method::other);
        CHECK(parsed("OPTIONS * HTTP/1.1\r\n" + host + "\r\n").method == Method::options);
        CHECK(parsed("CONNECT x:1 HTTP/1.1\r\n" + host + "\r\n").method == Method::connect);
        CHECK(parsed("BREW / HTTP/1.1\r\n" + host + "\r\n").method == Method::unknown);
        CHECK(parsed("get / HTTP/1.1\r\n" + host + "\r\n").method == Method::unknown);
    }

    TEST_CASE("a connection is kept as the version and the Connection header say") {
        CHECK_FALSE(parsed(get + "Connection: close\r\n\r\n").keep_alive);
        CHECK_FALSE(parsed(get + "Connection: x, Close\r\n\r\n").keep_alive);
        CHECK_FALSE(parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
        CHECK(parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
        CHECK(parsed("GET / HTTP/1.0\r\nConnection: , x ,\tKEEP-ALIVE,\r\n\r\n").keep_alive);
        CHECK(parsed(get + "Connection:\r\n\r\n").keep_alive);
        CHECK(parsed(get + "Connection: closed, xclose\r\n\r\n").keep_alive);
    }

    TEST_CASE("close wins over keep-alive, in any order, on one line or on two") {
        const std::string old = "GET / HTTP/1.0\r\n";
        for (const char* fields : {"Connection: keep-alive, close\r\n", "Connection: close, keep-alive\r\n",
                                   "Connection: keep-alive\r\nConnection: close\r\n",
                                   "Connection: close\r\nConnection: keep-alive\r\n",
                                   "Connection: keep-alive\r\nA: b\r\nConnection: x , CLOSE\r\n"}) {
            CHECK_FALSE(parsed(old + fields + "\r\n").keep_alive);
            CHECK_FALSE(parsed(get + fields + "\r\n").keep_alive);
        }
    }

    TEST_CASE("Proxy-Connection is nobody's here") {
        CHECK_FALSE(parsed("GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n").keep_alive);
        CHECK(parsed(get + "Proxy-Connection: close\r\n\r\n").keep_alive);
    }

    TEST_CASE("a client that expects 100 (Continue) is known") {
        CHECK(parsed(get + "Expect: 100-Continue\r\n\r\n").expects_continue);
        CHECK_FALSE(parsed(get + "Expect: something\r\n\r\n").expects_continue);
    }

    TEST_CASE("HTTP/1.1 needs exactly one valid Host") {
        CHECK(refused("GET / HTTP/1.1\r\n\r\n") == Status::bad_request);
        CHECK(refused(get + host + "\r\n") == Status::bad_request);
        CHECK(refused("GET / HTTP/1.0\r\n" + host + host + "\r\n") == Status::bad_request);
        CHECK(refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n") == Status::bad_request);
        for (const char* bad :
             {"a/b", "a:b", "a:1:2", "[::1", "[::1].", "a[", "\xe9", "%zz", "u@a", "a, b", ":80"}) {
            CHECK(refused("GET / HTTP/1.1\r\nHost: " + std::string{bad} + "\r\n\r\n") == Status::bad_request);
            CHECK(refused("GET / HTTP/1.0\r\nHost: " + std::string{bad} + "\r\n\r\n") == Status::bad_request);
            CHECK(refused("GET http://a/ HTTP/1.1\r\nHost: " + std::string{bad} + "\r\n\r\n") ==
                  Status::bad_request);
        }
        CHECK(parsed("GET / HTTP/1.1\r\nHost: a:\r\n\r\n").method == Method::get);
        CHECK(parsed("GET / HTTP/1.1\r\nHost:\r\n\r\n").method == Method::get);
        CHECK(parsed("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").method == Method::get);
    }

    TEST_CASE("a body is noticed") {
        CHECK(parsed(get + "Content-Length: 5\r\n\r\n").has_body);
        CHECK(parsed(get + "Content-Length: 99999999999\r\n\r\n").has_body);
        CHECK(parsed(get + "Transfer-Encoding: Chunked\r\n\r\n").has_body);
        CHECK_FALSE(parsed(get + "Content-Length: 0\r\n\r\n").has_body);
        CHECK(parsed(get + "Content-Length: 5\r\n\r\n").content_length == 5);
        CHECK(parsed(get + "Content-Length: 5\r\nContent-Length: 5, 5\r\n\r\n").content_length == 5);
        CHECK(parsed(get + "Transfer-Encoding: chunked\r\n\r\n").content_length == 0);
    }

    TEST_CASE("a body whose length is in doubt is refused") {
        for (const char* fields :
             {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
              "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
              "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n",
              "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 6\r\n",
              "Content-Length: -5\r\n", "Content-Length: 5x\r\n", "Content-Length:\r\n",
              "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
              "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding : chunked\r\n"})
            CHECK(refused(get + fields + "\r\n") == Status::bad_request);
        CHECK(refused("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == Status::bad_request);
        CHECK(refused(get + "Transfer-Encoding: gzip, chunked\r\n\r\n") == Status::not_implemented);
    }

    TEST_CASE("two Range headers are as good as none") {
        CHECK(parsed(get + "Range: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n").range == "");
    }

    TEST_CASE("HTTP/1.2 to 1.9 are read as 1.1") {
        for (char minor = '2'; minor <= '9'; ++minor) {
            const std::string version = std::string{" HTTP/1."} + minor + "\r\n";
            const std::string head =
                "HEAD /a?b" + version + host + "Content-Length: 3\r\nRange: bytes=1-\r\n\r\n";
            const Request request = parsed(head);
            CHECK(request.method == Method::head);
            CHECK(request.target == "/a?b");
            CHECK(request.target.data() == head.data() + 5);
            CHECK(request.keep_alive);
            CHECK_FALSE(request.is_http_1_0);
            CHECK(request.content_length == 3);
            CHECK(request.range == "bytes=1-");
            CHECK(refused("GET /" + version + "\r\n") == Status::bad_request);  // No Host.
            CHECK(refused("GET /" + version + host + "A: b\r\n c\r\n\r\n") == Status::bad_request);
            CHECK(refused("GET /" + version + host) == Status::bad_request);
        }
    }

    TEST_CASE("another major version is refused as such, and what only looks like one is no HTTP") {
        for (const char* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/9.9", "HTTP/3.1"})
            CHECK(refused("GET / " + std::string{version} + "\r\n" + host + "\r\n") ==
                  Status::version_not_supported);
        for (const char* version :
             {"HTTP/1", "HTTP/1.", "HTTP/1.10", "HTTP/10.1", "HTTP/01.1", "HTTP/1.1x", "HTTP/2.0 ",
              " HTTP/2.0", "HTTP/2,0", "HTTP/a.0", "HTTP 2.0", "http/2.0", "HTTPS/2.0", "x HTTP/2.0"})
            CHECK(refused("GET / " + std::string{version} + "\r\n" + host + "\r\n") == Status::bad_request);
    }

    TEST_CASE("what is no HTTP is refused") {
        for (const char* head :
             {"GET /\r\n\r\n", "GET / HTTX/1.1\r\n\r\n", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
              "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
              "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
              "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / http/1.1\r\nHost: x\r\n\r\n",
              "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n",
              "GET / HTTP/1.1\r\n: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\na: \x01\r\n\r\n",
              "GET / HTTP/1.1\r\nHost: x\na: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\ra: b\r\n\r\n",
              "\r\n\r\n", "x\r\n\r\n"})
            CHECK(refused(head) == Status::bad_request);
    }

    TEST_CASE("a folded value is refused") {
        for (const char* fields :
             {"If-Match: \"a\",\r\n \"b\"\r\n", "A: b\r\n\tc\r\n", "A:\r\n b\r\n", "A:\r\n \r\n",
              "A: \r\n \r\n b\r\n", "A: b\r\n \r\n", "Transfer-Encoding:\r\n chunked\r\n",
              "Content-Length:\r\n 5\r\n", "Connection:\r\n close\r\n"})
            CHECK(refused(get + fields + "\r\n") == Status::bad_request);
        CHECK(refused("GET / HTTP/1.1\r\nHost:\r\n x\r\n\r\n") == Status::bad_request);
    }

    TEST_CASE("no prefix of a head is taken for a request") {
        const std::string head = get + "Connection: close\r\nContent-Length: 0\r\n\r\n";
        for (std::size_t size = 0; size < head.size(); ++size)
            CHECK(std::holds_alternative<Status>(parse_request(head.substr(0, size))));
    }
}
