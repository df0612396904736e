#include "servers/services/added_header.hpp"

#include <doctest/doctest.h>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;
using namespace bullpen::http;

namespace {

std::string refusal(std::string_view text) {
    return complaint_of([&] { AddedHeader::parse(text); });
}

}  // namespace

TEST_SUITE("added header") {
    TEST_CASE("a header is read and written, with a pattern or without") {
        const AddedHeader plain = AddedHeader::parse("Cache-Control:  max-age=60, public \t");
        CHECK(plain.pattern.empty());
        CHECK(plain.line == "Cache-Control: max-age=60, public\r\n");
        CHECK(plain.text() == "Cache-Control: max-age=60, public");
        const AddedHeader some = AddedHeader::parse("/a:b/*.css X-A: b: c");
        CHECK(some.pattern == "/a:b/*.css");
        CHECK(some.line == "X-A: b: c\r\n");
        CHECK(AddedHeader::parse(some.text()).pattern == some.pattern);
        CHECK(AddedHeader::parse("Link: <http://x/>; rel=\"y\"").line == "Link: <http://x/>; rel=\"y\"\r\n");
        CHECK(AddedHeader::parse("X-Empty:").line == "X-Empty: \r\n");
    }

    TEST_CASE("a pattern is for names, or with a slash for whole paths") {
        const auto is_for = [](const std::string& pattern, const std::string& path) {
            return AddedHeader::parse(pattern + " A: b").is_for(path);
        };
        CHECK(is_for("*.css", "style.css"));
        CHECK(is_for("*.css", "a/b/style.css"));
        CHECK_FALSE(is_for("*.css", "style.css.txt"));
        CHECK_FALSE(is_for("*.css", "a.css/"));
        CHECK(is_for("/a/*", "a/b/style.css"));
        CHECK(is_for("/a/*", "a/"));
        CHECK_FALSE(is_for("/a/*", "b/a/style.css"));
        CHECK(is_for("*/a/*", "b/a/style.css"));
        CHECK(is_for("/", ""));
        CHECK(is_for("index.[!x]tm?", "index.html"));
        CHECK(is_for("[]x]", "]"));
        CHECK(is_for("\\[a", "[a"));
        CHECK(AddedHeader::parse("A: b").is_for("any/thing"));
    }

    TEST_CASE("a pattern that means nothing is refused") {
        CHECK(refusal("[a A: b") ==
              "the pattern '[a' has a [ without its ]; expected a set such as [a-z], or \\[ for the "
              "character itself");
        CHECK(contains(refusal("[] A: b"), "has a [ without its ]"));
        CHECK(contains(refusal("[!] A: b"), "has a [ without its ]"));
        CHECK(contains(refusal("a\\ A: b"), "ends in a \\"));
        CHECK(refusal("a/b A: b") == "the pattern 'a/b' is for no path; one with a slash begins with / or *");
    }

    TEST_CASE("what is no header is refused") {
        for (const char* text :
             {"", "Cache-Control", ": b", "a b c: d", "A(b): c", " A: b", "*.css : b", "A : b"}) {
            CAPTURE(text);
            CHECK(contains(refusal(text), "' is no header; expected [PATTERN ]NAME: VALUE, as in "));
        }
        for (const char* text : {"A: b\r\nC: d", "A: b\nC: d", "A\r: b", "A: \x01", "A: \x7F", "A: b\r"})
            CHECK(contains(refusal(text), "a control character is in it; expected one line"));
        CHECK(contains(refusal(std::string_view{"A: \0", 4}), "a control character"));
    }

    TEST_CASE("what the server itself writes is refused in any case") {
        for (const char* name : {"Content-Length", "content-length", "Transfer-Encoding", "Connection",
                                 "Date", "Content-Type", "Content-Encoding", "Content-Range", "ETag",
                                 "Last-Modified", "Server", "Upgrade", "Trailer", "Keep-Alive", "Location"}) {
            CAPTURE(name);
            CHECK(refusal(std::string{name} + ": 5") ==
                  std::string{name} +
                      " is written by the server itself; expected another header, such as Cache-Control");
        }
    }
}
