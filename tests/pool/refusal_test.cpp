#include "pool/refusal.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace bullpen;

TEST_SUITE("pool: refusals") {
    TEST_CASE("each reason has a name of its own") {
        std::set<std::string> names;
        for (std::size_t i = 0; i < refusals; ++i)
            names.insert(name_of(static_cast<Refusal>(i)));
        CHECK(names == std::set<std::string>{"overload", "startups", "source", "rate", "banned", "denied",
                                             "connections", "stopping"});
    }
}
