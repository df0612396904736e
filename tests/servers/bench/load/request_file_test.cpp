#include "servers/bench/load/request_file.hpp"

#include <doctest/doctest.h>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

namespace {

std::string complaint(const std::string& text) {
    return complaint_of([&] { parse_request_lines(text, "f"); });
}

}  // namespace

TEST_SUITE("cli: request files") {
    TEST_CASE("a line is a path, and what else is said about it") {
        const auto lines = parse_request_lines("# comment\n/a\n\n  HEAD /b weight=99 class=fast\r\n", "f");
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].method.empty());
        CHECK(lines[0].path == "/a");
        CHECK(lines[0].weight == 1);
        CHECK(lines[0].name == "all");
        CHECK(lines[1].method == "HEAD");
        CHECK(lines[1].path == "/b");
        CHECK(lines[1].weight == 99);
        CHECK(lines[1].name == "fast");
    }

    TEST_CASE("what is wrong is named with its line") {
        CHECK(contains(complaint("/a\nb\n"), "f:2: PATH: expected a path with '/' first"));
        CHECK(contains(complaint("GET\n"), "f:1: no path"));
        CHECK(contains(complaint("/a wieght=2\n"), "f:1: unexpected 'wieght=2'"));
        CHECK(
            contains(complaint("/a weight=0\n"), "f:1: weight: expected a number from 1 to 10000, got '0'"));
        CHECK(contains(complaint("/a weight=2x\n"), "got '2x'"));
        CHECK(contains(complaint("/a class=\n"), "unexpected 'class='"));
        CHECK(contains(complaint("# nothing\n"), "f: it has no request"));
        std::string many;
        for (int i = 0; i < 101; ++i)
            many += "/a weight=10000\n";
        CHECK(contains(complaint(many), "f:101: the weights' sum"));
    }
}
