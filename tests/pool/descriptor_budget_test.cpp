#include "pool/descriptor_budget.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/complaint.hpp"

using namespace bullpen;

namespace {

constexpr std::size_t reserve = 32;
constexpr std::size_t parts_of_a_pool = 4;
constexpr std::size_t as_many_as_possible = 1U << 20U;

/// All that a pool may ever have open in the master.
std::size_t price(const DescriptorNeeds& pool, std::size_t connections) {
    const std::size_t of_slots =
        pool.slots * ((pool.hands_off ? 2 : 0) + (pool.own_listeners ? pool.listeners : 0));
    return parts_of_a_pool + pool.listeners + of_slots + connections * pool.of_a_connection;
}

std::size_t price(const std::vector<DescriptorNeeds>& pools, const std::vector<std::size_t>& shares) {
    std::size_t sum = reserve;
    for (std::size_t i = 0; i < pools.size(); ++i)
        sum += price(pools[i], shares[i]);
    return sum;
}

std::size_t wish(const DescriptorNeeds& pool) {
    return pool.connections_max == 0 ? as_many_as_possible : pool.connections_max;
}

std::string complaint(const std::vector<DescriptorNeeds>& pools, std::size_t limit, std::size_t open) {
    return complaint_of<std::runtime_error>([&] { share_descriptors(pools, limit, open); });
}

/// As small as a pool gets.
DescriptorNeeds small(std::size_t connections_max = 0) {
    return {.pool = "web", .slots = 1, .listeners = 1, .connections_max = connections_max};
}

}  // namespace

TEST_SUITE("pool: the descriptor budget") {
    TEST_CASE(
        "for any pools the sum keeps to the limit, each gets one or more, and what is left is too little") {
        std::mt19937 random{1};
        const auto below = [&random](std::size_t end) { return random() % end; };
        int shared = 0;
        for (int round = 0; round < 20'000; ++round) {
            std::vector<DescriptorNeeds> pools(1 + below(6));
            for (DescriptorNeeds& pool : pools)
                pool = {.pool = "web",
                        .slots = 1 + below(below(4) == 0 ? 1000 : 8),
                        .listeners = 1 + below(4),
                        .hands_off = below(2) == 0,
                        .own_listeners = below(4) == 0,
                        .of_a_connection = 1 + below(2),
                        .connections_max = below(3) == 0 ? 0 : 1 + below(1000),
                        .connections_of_a_process = 1 + below(50)};
            const std::size_t open = below(30);
            const std::size_t limit = 64 + below(below(2) == 0 ? 500 : 20'000);
            if (!complaint(pools, limit, open).empty()) continue;
            ++shared;
            const std::vector<std::size_t> shares = share_descriptors(pools, limit, open);
            REQUIRE(shares.size() == pools.size());
            const std::size_t used = open + price(pools, shares);
            REQUIRE(used <= limit);
            for (std::size_t i = 0; i < pools.size(); ++i) {
                REQUIRE(shares[i] >= 1);
                REQUIRE(shares[i] <= wish(pools[i]));
            }
            // Whoever got less than it wants: nobody has more, and there isn't room for one more of each.
            std::size_t one_more_of_each = 0;
            for (std::size_t i = 0; i < pools.size(); ++i) {
                if (shares[i] == wish(pools[i])) continue;
                one_more_of_each += pools[i].of_a_connection;
                for (std::size_t j = 0; j < pools.size(); ++j)
                    REQUIRE((shares[i] + 1) * pools[i].of_a_connection + pools.size() * 2 >=
                            shares[j] * pools[j].of_a_connection);
            }
            REQUIRE((one_more_of_each == 0 || used + one_more_of_each > limit));
        }
        CHECK(shared > 5000);
    }

    TEST_CASE("one pool gets all there is, or all it wants") {
        const std::size_t fixed = reserve + price(small(), 0);
        CHECK(share_descriptors(std::vector{small()}, 1024, 10).front() == 1024 - 10 - fixed);
        CHECK(share_descriptors(std::vector{small(100)}, 1024, 10).front() == 100);
        CHECK(share_descriptors(std::vector{small(1)}, 1024, 10).front() == 1);
    }

    TEST_CASE("what a pool leaves goes to those that want more, in whatever order they are named") {
        std::vector<DescriptorNeeds> pools{small(0), small(10), small(0)};
        do {
            const std::vector<std::size_t> shares = share_descriptors(pools, 1024, 0);
            CHECK(price(pools, shares) == 1024);
            for (std::size_t i = 0; i < pools.size(); ++i)
                CHECK((shares[i] == 10) == (pools[i].connections_max == 10));
        } while (std::next_permutation(pools.begin(), pools.end(), [](const auto& a, const auto& b) {
            return a.connections_max < b.connections_max;
        }));
    }

    TEST_CASE("a connection that may come back with a file is charged for both from the start") {
        DescriptorNeeds parks = small();
        parks.of_a_connection = 2;
        const std::size_t fixed = reserve + price(parks, 0);
        CHECK(share_descriptors(std::vector{parks}, fixed + 21, 0).front() == 10);
        CHECK(share_descriptors(std::vector{parks}, fixed + 22, 0).front() == 11);
    }

    TEST_CASE("channels and listeners of all slots are charged, whether vacant or not") {
        DescriptorNeeds pool = small();
        pool.slots = 100;
        const std::size_t plain = share_descriptors(std::vector{pool}, 4096, 0).front();
        pool.hands_off = true;
        CHECK(share_descriptors(std::vector{pool}, 4096, 0).front() == plain - 200);
        pool.hands_off = false;
        pool.own_listeners = true;
        pool.listeners = 3;
        CHECK(share_descriptors(std::vector{pool}, 4096, 0).front() == plain - 302);
    }

    TEST_CASE("an unlimited system is taken for a million connections") {
        CHECK(share_descriptors(std::vector{small()}, 1U << 30U, 10).front() == as_many_as_possible);
        CHECK(share_descriptors(std::vector{small(2'000'000)}, 1U << 30U, 10).front() == as_many_as_possible);
    }

    TEST_CASE("a limit that leaves no pool a connection is one sentence about all of them") {
        std::vector<DescriptorNeeds> pools{small(), small()};
        pools[0].slots = 500;
        pools[0].hands_off = true;
        const std::size_t needed = 7 + price(pools, {1, 1});
        CHECK(complaint(pools, needed, 7).empty());
        CHECK(share_descriptors(pools, needed, 7) == std::vector<std::size_t>{1, 1});
        CHECK(complaint(pools, needed - 1, 7) ==
              "the pools have too many workers (workers, workers-max), which need " + std::to_string(needed) +
                  " descriptors, and the limit (ulimit -Hn) is " + std::to_string(needed - 1));
    }

    TEST_CASE(
        "a limit that is too low for any server is what the sentence is about, whatever the pools want") {
        std::vector<DescriptorNeeds> pools{small(), small()};
        const std::size_t least = 7 + price(pools, {1, 1});
        pools[0].slots = 500;
        pools[0].hands_off = pools[1].hands_off = true;
        pools[1].connections_of_a_process = 1000;
        CHECK(complaint(pools, least + 3, 7) ==
              "the limit of descriptors is too low: a server with one worker needs " +
                  std::to_string(least + 4) + " descriptors, and the limit (ulimit -Hn) is " +
                  std::to_string(least + 3));
    }

    TEST_CASE("a worker process for which the limit is too small is one sentence about its pool") {
        std::vector<DescriptorNeeds> pools{small(10), small(10)};
        pools[1].pool = "chat";
        pools[1].connections_of_a_process = 1000;
        CHECK(complaint(pools, 1033 + 7, 7).empty());
        CHECK(complaint(pools, 1033 + 6, 7) ==
              "capacity of pool 'chat' is too large: a worker's process may need 1040 descriptors, and the "
              "limit (ulimit -Hn) is 1039");
        pools[1].process_grows_by = "threads";
        CHECK(complaint(pools, 1033 + 6, 7).starts_with("threads of pool 'chat' is too large: "));
    }
}
