#include "core/enumerate.hpp"

#include <doctest/doctest.h>

using bullpen::enumerate;
using Parts = std::vector<std::string_view>;

TEST_SUITE("core: enumerate") {
    TEST_CASE("lists are read as sentences are") {
        CHECK(enumerate(Parts{}).empty());
        CHECK(enumerate(Parts{"a"}) == "a");
        CHECK(enumerate(Parts{"a", "b"}) == "a and b");
        CHECK(enumerate(Parts{"a", "b", "c"}) == "a, b and c");
    }
}
