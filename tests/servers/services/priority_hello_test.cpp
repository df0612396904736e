#include "servers/services/priority_hello.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace bullpen;

TEST_SUITE("servers: the greeting of priority") {
    TEST_CASE("a greeting is read as it was written, and no two have a proof in common") {
        const PriorityHello one = make_priority_hello(40'000);
        const PriorityHello other = make_priority_hello(40'000);
        const std::string line = text_of(one);
        CHECK(line.size() == hello_most);
        const auto read = parse_priority_hello(line);
        REQUIRE(read);
        CHECK(read->port == 40'000);
        CHECK(read->server_proof == one.server_proof);
        CHECK(read->client_proof == one.client_proof);
        CHECK(one.server_proof != one.client_proof);
        CHECK(one.server_proof != other.server_proof);
        CHECK(one.client_proof != other.client_proof);
    }

    TEST_CASE("a proof is the whole of what is expected") {
        CHECK(is_proof("abc", "abc"));
        CHECK_FALSE(is_proof("abd", "abc"));
        CHECK_FALSE(is_proof("xbc", "abc"));
        CHECK_FALSE(is_proof("ab", "abc"));
        CHECK_FALSE(is_proof("abcd", "abc"));
        CHECK_FALSE(is_proof("", "abc"));
    }

    TEST_CASE("no prefix of a greeting is one, nor is one with a byte more") {
        const std::string line = text_of(make_priority_hello(1));
        for (std::size_t size = 0; size < line.size(); ++size) {
            CAPTURE(size);
            CHECK_FALSE(parse_priority_hello(line.substr(0, size)));
        }
        CHECK_FALSE(parse_priority_hello(line + "\n"));
        CHECK_FALSE(parse_priority_hello("0" + line.substr(0, 1)));
    }
}
