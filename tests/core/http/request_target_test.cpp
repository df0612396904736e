#include "core/http/request_target.hpp"

#include <doctest/doctest.h>

using namespace bullpen::http;

TEST_SUITE("request target") {
    TEST_CASE("the path is decoded and loses the slashes in front") {
        CHECK(parse_request_target("/")->path == "");
        CHECK(parse_request_target("/a%20b/%C3%BC.txt")->path == "a b/ü.txt");
        CHECK(parse_request_target("///etc/passwd")->path == "etc/passwd");
        CHECK(parse_request_target("/a%252fb")->path == "a%2fb");
        CHECK(parse_request_target("/a\\b%5Cc")->path == "a\\b\\c");
    }

    TEST_CASE("an encoded slash is noticed, because it separates nothing") {
        for (const char* encoded : {"/a%2fb", "/%2Fetc/passwd", "/a/b%2F", "/..%2fsecret", "http://h/%2f"})
            CHECK_MESSAGE(parse_request_target(encoded)->has_encoded_slash, encoded);
        for (const char* plain : {"/a/b", "/a%20b/c", "/a%252fb", "/a?%2f", "///", "/a%5cb"})
            CHECK_MESSAGE(!parse_request_target(plain)->has_encoded_slash, plain);
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

    TEST_CASE("other forms, NUL, fragments, bad encodings and bad authorities are refused") {
        for (const char* bad : {"",
                                "*",
                                "a",
                                "?a",
                                "host:80",
                                "ftp://host/a",
                                "/a%00b",
                                "/%",
                                "/a%2",
                                "/a#b",
                                "http:/a",
                                "http://",
                                "http:///",
                                "http:///a",
                                "http://:80/",
                                "http://u@h/",
                                "http://u:p@h/",
                                "http://x:y/",
                                "http://x:1:2/",
                                "http://[::1/",
                                "http://h#f",
                                "http://?q",
                                "http://h\\a/",
                                "https://h%zz/"})
            CHECK_MESSAGE(!parse_request_target(bad), bad);
    }

    TEST_CASE("dot segments are noticed, encoded or not, and only where they are whole segments") {
        for (const char* dotted : {"/.", "/..", "/./a", "/a/../b", "/a/..", "/a/.", "/%2e", "/%2E%2e/a",
                                   "/.%2e", "/a/%2e./", "//..", "http://h/../a", "/a/..?b"})
            CHECK_MESSAGE(parse_request_target(dotted)->has_dot_segments, dotted);
        for (const char* plain : {"/", "/...", "/a.", "/.a", "/..a", "/a..", "/a?/../b", "/%2e%2e%2e",
                                  "/..%2fa", "/.%20", "/%252e%252e/", "/.well-known/a"})
            CHECK_MESSAGE(!parse_request_target(plain)->has_dot_segments, plain);
    }

    TEST_CASE("the path that dot segments mean, encoded and with one slash in front") {
        const std::pair<const char*, const char*> meant[] = {
            {"/dir/../t1.html", "/t1.html"},
            {"/./t1.html", "/t1.html"},
            {"/a/%2e%2E/b", "/b"},
            {"/a/b/c/./../../g", "/a/g"},
            {"/a/..", "/"},
            {"/a/b/..", "/a/"},
            {"/a/b/.", "/a/b/"},
            {"/.", "/"},
            {"/a//../b", "/a/b"},
            {"/a/../b%20c\xfc/d\"e", "/b%20c%FC/d%22e"},
            {"/a/../b%2fc", "/b%2Fc"},
            {"/a%2f/../c", "/c"},
            {"/a/..//evil.example/", "/evil.example/"},
            {"/.//evil.example", "/evil.example"},
            {"//..", "/"},
            {"/a/./", "/a/"},
        };
        for (const auto& [path, is] : meant)
            CHECK_MESSAGE(without_dot_segments(path) == is, path);
    }

    TEST_CASE("what leads above the root means nothing") {
        for (const char* above : {"/..", "/../a", "/a/../../b", "/%2e%2e/", "/./..", "/a/../..", "//../.."})
            CHECK_MESSAGE(!without_dot_segments(above), above);
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
