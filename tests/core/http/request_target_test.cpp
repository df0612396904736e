#include "core/http/request_target.hpp"

#include <doctest/doctest.h>

using namespace bullpen::http;

TEST_SUITE("request target") {
    TEST_CASE("the path is decoded and loses the slashes in front") {
        CHECK(parse_request_target("/")->path == "");
        CHECK(parse_request_target("/a%20b/%C3%BC.txt")->path == "a b/ü.txt");
        CHECK(parse_request_target("///etc/passwd")->path == "etc/passwd");
        CHECK(parse_request_target("/%2Fetc/passwd")->path == "etc/passwd");
        CHECK(parse_request_target("/a%252fb")->path == "a%2fb");
    }

    TEST_CASE("the query is split off before decoding and kept as it came") {
        const auto target = parse_request_target("/a%3Fb?c=%20d?e");
        CHECK(target->path == "a?b");
        CHECK(target->query == "?c=%20d?e");
        CHECK(parse_request_target("/?")->query == "?");
        CHECK(parse_request_target("/a")->query == "");
    }

    TEST_CASE("the absolute form is read like its path") {
        CHECK(parse_request_target("http://host:80/a?b")->path == "a");
        CHECK(parse_request_target("HTTPS://host/a?b")->query == "?b");
        CHECK(parse_request_target("http://host")->path == "");
        CHECK(parse_request_target("http://host?b/c")->query == "?b/c");
    }

    TEST_CASE("other forms, NUL, fragments and bad encodings are refused") {
        for (const char* bad :
             {"", "*", "a", "?a", "host:80", "ftp://host/a", "/a%00b", "/%", "/a%2", "/a#b", "http:/a"})
            CHECK_FALSE(parse_request_target(bad));
    }

    TEST_CASE("a directory is named by a slash behind it or by nothing at all") {
        CHECK(parse_request_target("/")->names_directory());
        CHECK(parse_request_target("/a/?b")->names_directory());
        CHECK_FALSE(parse_request_target("/a?b/")->names_directory());
    }

    TEST_CASE("parts that begin with a dot are hidden, but for .well-known") {
        for (const char* hidden : {".", "..", "../a", "a/..", "a/../b", ".git", "a/.ssh/b", "a//.b", "...",
                                   ".well-known/.a", ".well-knowns"})
            CHECK(has_hidden_part(hidden));
        for (const char* visible : {"", "a", "a.b", "a./b.", "a//b", ".well-known/acme", "a/.well-known/"})
            CHECK_FALSE(has_hidden_part(visible));
    }
}
