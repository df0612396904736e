#include "servers/bench/load/request_file.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace bullpen;

namespace {

bool refused_with(const std::string& text, const std::string& part) {
    try {
        parse_request_lines(text, "f");
    } catch (const std::invalid_argument& error) {
        INFO(error.what());
        return std::string_view{error.what()}.find(part) != std::string_view::npos;
    }
    return false;
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
        CHECK(refused_with("/a\nb\n", "f:2: PATH: expected a path with '/' first"));
        CHECK(refused_with("GET\n", "f:1: no path"));
        CHECK(refused_with("/a wieght=2\n", "f:1: unexpected 'wieght=2'"));
        CHECK(refused_with("/a weight=0\n", "f:1: weight: expected a number from 1 to 10000, got '0'"));
        CHECK(refused_with("/a weight=2x\n", "got '2x'"));
        CHECK(refused_with("/a class=\n", "unexpected 'class='"));
        CHECK(refused_with("# nothing\n", "f: it has no request"));
        std::string many;
        for (int i = 0; i < 101; ++i)
            many += "/a weight=10000\n";
        CHECK(refused_with(many, "f:101: the weights' sum"));
    }
}
