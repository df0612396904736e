#include "pool/slot_set.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

using bullpen::SlotSet;

TEST_SUITE("pool: sets of slots") {
    TEST_CASE("it behaves as std::set does, for any sequence of changes") {
        std::mt19937 random{1};
        for (const std::uint32_t slots : {1U, 63U, 64U, 65U, 1000U}) {
            SlotSet set{slots};
            std::set<std::uint32_t> model;
            for (int step = 0; step < 5000; ++step) {
                const auto slot = static_cast<std::uint32_t>(random() % slots);
                if (random() % 2 == 0) {
                    set.insert(slot);
                    model.insert(slot);
                } else {
                    set.erase(slot);
                    model.erase(slot);
                }
                REQUIRE(set.size() == static_cast<int>(model.size()));
                REQUIRE(set.empty() == model.empty());
                REQUIRE(set.contains(slot) == model.contains(slot));
                if (model.empty()) continue;
                REQUIRE(set.lowest() == *model.begin());
            }
            std::vector<std::uint32_t> visited;
            set.for_each([&](std::uint32_t slot) { visited.push_back(slot); });
            CHECK(visited == std::vector<std::uint32_t>(model.begin(), model.end()));
        }
    }

    TEST_CASE("a member is set or not, as often as one likes") {
        SlotSet set{100};
        for (const bool member : {true, true, false, false, true}) {
            set.set(70, member);
            CHECK(set.contains(70) == member);
            CHECK(set.size() == (member ? 1 : 0));
        }
    }

    TEST_CASE("a visitor may erase the slot it is called with") {
        SlotSet set{200};
        for (std::uint32_t slot = 0; slot < 200; ++slot)
            set.insert(slot);
        set.for_each([&](std::uint32_t slot) { set.erase(slot); });
        CHECK(set.empty());
        CHECK(!set.lowest());
    }
}
