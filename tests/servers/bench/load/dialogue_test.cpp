#include "servers/bench/load/dialogue.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: dialogues") {
    TEST_CASE("the last HTTP request of a connection says so") {
        const Dialogue http = http_dialogue("localhost", "/a%20b", 5);
        CHECK(http.request == "GET /a%20b HTTP/1.1\r\nHost: localhost\r\n\r\n");
        CHECK(http.last_request == "GET /a%20b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        CHECK_FALSE(http.half_close);
        CHECK(echo_dialogue(100).half_close);
        CHECK(echo_dialogue(100).request.size() == 100);
    }

    TEST_CASE("a request has its method, headers and body") {
        const Dialogue post = http_dialogue(
            LoadRequest{.method = "POST", .host = "h", .path = "/p", .headers = {"A: b"}, .body = "xyz"});
        CHECK(post.request == "POST /p HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 3\r\n\r\nxyz");
        CHECK(post.last_request.find("Connection: close\r\n\r\nxyz") != std::string::npos);
        CHECK_FALSE(post.expected.head_only);
        CHECK(http_dialogue(LoadRequest{.method = "HEAD"}).expected.head_only);
    }
}
