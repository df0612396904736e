#include "servers/bench/load/url.hpp"

#include <doctest/doctest.h>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

namespace {

std::string complaint(const std::string& text) {
    return complaint_of([&] { parse_url(text); });
}

}  // namespace

TEST_SUITE("cli: URLs of load") {
    TEST_CASE("an HTTP URL names the address, the Host field and the path") {
        const Url url = parse_url("http://127.0.0.1:8080/a%20b?c=d");
        CHECK(url.http);
        CHECK(url.address == "127.0.0.1:8080");
        CHECK(url.host == "127.0.0.1:8080");
        CHECK(url.path == "/a%20b?c=d");
    }

    TEST_CASE("port and path may be left out") {
        CHECK(parse_url("http://localhost").address == "localhost:80");
        CHECK(parse_url("http://localhost").host == "localhost");
        CHECK(parse_url("http://localhost").path == "/");
        CHECK(parse_url("http://localhost:81?x").path == "/?x");
        CHECK(parse_url("http://[::1]/").address == "[::1]:80");
        CHECK(parse_url("http://[::1]:81/").address == "[::1]:81");
    }

    TEST_CASE("tcp:// and unix: are raw") {
        CHECK_FALSE(parse_url("tcp://localhost:7").http);
        CHECK(parse_url("tcp://localhost:7").address == "localhost:7");
        CHECK(parse_url("tcp://[::1]:7/").address == "[::1]:7");
        CHECK_FALSE(parse_url("unix:/run/x.sock").http);
        CHECK(parse_url("unix:/run/x.sock").address == "unix:/run/x.sock");
    }

    TEST_CASE("a scheme may be written in any case of letters, and nothing else changes") {
        CHECK(parse_url("HTTP://LocalHost/A").address == "LocalHost:80");
        CHECK(parse_url("hTTp://x/A").path == "/A");
        CHECK(parse_url("TCP://localhost:7").address == "localhost:7");
        CHECK(parse_url("UNIX:/run/X.sock").address == "unix:/run/X.sock");
        CHECK(contains(complaint("HTTPS://x/"), "TLS is not spoken"));
    }

    TEST_CASE("its authority follows the grammar of a Host field") {
        CHECK(parse_url("http://x:/").address == "x:80");
        for (const char* authority :
             {"a:b", "a:1:2", "[::1", "[::1]x", "a%zz", "\xe9", "x:http", ":80", "[fe80::1%lo]"})
            CHECK_MESSAGE(
                contains(complaint("http://" + std::string{authority} + "/"), "is no HOST or HOST:PORT"),
                authority);
    }

    TEST_CASE("a host that is called unix isn't taken for a UNIX socket") {
        CHECK(contains(complaint("tcp://unix:80"), "a UNIX socket is unix:/path"));
        CHECK(contains(complaint_of([] { check_host(parse_url("http://unix:80/")); }),
                       "HTTP over one needs --unix"));
        CHECK(complaint_of([] { check_host(parse_url("http://unix.example:80/")); }).empty());
    }

    TEST_CASE("what is no URL is refused with what is allowed") {
        CHECK(contains(complaint("127.0.0.1:80"), "did you mean http://127.0.0.1:80?"));
        CHECK(contains(complaint("https://x/"), "TLS is not spoken"));
        CHECK(contains(complaint("ftp://x/"),
                       "expected http://HOST[:PORT]/PATH, tcp://HOST:PORT, unix:/path, udp://HOST:PORT or "
                       "unixgram:/path"));
        CHECK(contains(complaint("http:///x"), "it names no host"));
        CHECK(contains(complaint("http://me:secret@x/"), "--header"));
        CHECK(contains(complaint("http://x/#y"), "'#'"));
        CHECK(contains(complaint("http://x/a b"), "no blanks"));
        CHECK(contains(complaint("tcp://x:1/y"), "nothing follows"));
    }
}
