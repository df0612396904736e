#include "pool/slot_account.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace bullpen;

namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

/// The same in the plainest way: a list of what is outstanding, and a count for each way out.
struct Naive {
    std::vector<std::pair<std::uint32_t, Place>> given;
    std::uint64_t handed = 0;
    std::uint64_t finished = 0;
    std::uint64_t returned = 0;
    std::uint64_t lost = 0;

    std::optional<Place> remove(std::uint32_t handoff) {
        for (auto it = given.begin(); it != given.end(); ++it) {
            if (it->first != handoff) continue;
            const Place client = it->second;
            given.erase(it);
            return client;
        }
        return {};
    }

    std::vector<Place> remove_first(std::uint64_t count) {
        std::vector<Place> removed;
        for (; count > 0; --count) {
            removed.push_back(given.front().second);
            given.erase(given.begin());
        }
        return removed;
    }

    /// Mostly one that is outstanding; else one that never was or no longer is.
    [[nodiscard]] std::uint32_t some_handoff(std::mt19937& random) const {
        if (given.empty() || random() % 8 == 0) return static_cast<std::uint32_t>(random() % 5000);
        return given[random() % given.size()].first;
    }
};

void check_same(const SlotAccount& account, const Naive& naive) {
    REQUIRE(account.outstanding() == naive.given.size());
    REQUIRE(account.handed() == naive.handed);
    REQUIRE(account.finished() == naive.finished);
    REQUIRE(account.returned() == naive.returned);
    REQUIRE(account.lost() == naive.lost);
    REQUIRE(account.handed() ==
            account.finished() + account.returned() + account.lost() + account.outstanding());
    if (naive.given.empty())
        REQUIRE(!account.oldest());
    else
        REQUIRE(account.oldest() == naive.given.front().second);
    for (const auto& [handoff, client] : naive.given)
        REQUIRE(account.find(handoff) == client);
}

SlotAccount with_given(std::uint32_t clients) {
    SlotAccount account;
    account.reserve(clients);
    for (std::uint32_t i = 0; i < clients; ++i)
        account.give({.index = i, .generation = 1});
    return account;
}

/// No test expects it to be called.
void never(Place) {
    FAIL("nothing has ended");
}

}  // namespace

TEST_SUITE("pool: a slot's account") {
    TEST_CASE("it behaves as a list and five counts do, for any sequence of verbs") {
        for (const unsigned seed : {1U, 2U, 3U, 4U, 5U}) {
            std::mt19937 random{seed};
            SlotAccount account;
            constexpr std::size_t depth = 12;
            account.reserve(depth);
            Naive naive;
            std::set<std::uint32_t> handoffs;
            std::uint32_t generation = 0;
            for (int step = 0; step < 8000; ++step) {
                std::vector<Place> ended;
                const auto note = [&ended](Place client) { ended.push_back(client); };
                switch (random() % 7) {
                    case 0:
                    case 1:
                    case 2: {
                        if (account.outstanding() == depth) break;
                        const Place client{.index = static_cast<std::uint32_t>(random() % depth),
                                           .generation = ++generation};
                        const std::uint32_t handoff = account.give(client);
                        REQUIRE(handoffs.insert(handoff).second);
                        naive.given.emplace_back(handoff, client);
                        ++naive.handed;
                        break;
                    }
                    case 3: {
                        const std::uint32_t handoff = naive.some_handoff(random);
                        const auto client = naive.remove(handoff);
                        REQUIRE(account.take_back(handoff) == client);
                        if (client) --naive.handed;
                        break;
                    }
                    case 4: {
                        const std::uint32_t handoff = naive.some_handoff(random);
                        const auto client = naive.remove(handoff);
                        REQUIRE(account.give_back(handoff) == client);
                        if (client) ++naive.returned;
                        break;
                    }
                    case 5: {
                        const std::uint64_t more = random() % (depth + 3);
                        const bool possible = more <= naive.given.size();
                        REQUIRE(account.finish_to(naive.finished + more, note) == possible);
                        if (possible) naive.finished += more;
                        REQUIRE(ended == naive.remove_first(possible ? more : 0));
                        break;
                    }
                    default: {
                        if (random() % 10 != 0) {
                            const std::uint32_t handoff = naive.some_handoff(random);
                            const auto client = naive.remove(handoff);
                            REQUIRE(account.lose(handoff) == client);
                            if (client) ++naive.lost;
                            break;
                        }
                        naive.lost += naive.given.size();
                        REQUIRE(account.lose_rest(note) == naive.given.size());
                        REQUIRE(ended == naive.remove_first(naive.given.size()));
                    }
                }
                check_same(account, naive);
            }
        }
    }

    TEST_CASE("an impossible total is refused, and nothing is changed by it") {
        SlotAccount account = with_given(3);
        REQUIRE(account.finish_to(1, [](Place) {}));
        const std::uint64_t finished = account.finished();
        for (const std::uint64_t total : {std::uint64_t{0}, finished + 3, std::uint64_t{1} << 32,
                                          std::uint64_t{1} << 63, largest - 1, largest}) {
            CHECK_FALSE(account.finish_to(total, never));
            CHECK(account.finished() == finished);
            CHECK(account.outstanding() == 2);
            CHECK(account.handed() == 3);
            CHECK(account.oldest() == Place{.index = 1, .generation = 1});
        }
    }

    TEST_CASE("a total that says nothing new ends nothing") {
        SlotAccount account = with_given(2);
        CHECK(account.finish_to(0, never));
        CHECK(account.outstanding() == 2);
    }

    TEST_CASE("connections that were given back don't count as finished, whatever their order") {
        SlotAccount account = with_given(4);
        REQUIRE(account.give_back(2) == Place{.index = 1, .generation = 1});
        std::vector<std::uint32_t> ended;
        REQUIRE(account.finish_to(2, [&](Place client) { ended.push_back(client.index); }));
        CHECK(ended == std::vector<std::uint32_t>{0, 2});
        CHECK_FALSE(account.finish_to(4, never));
        CHECK(account.find(4) == Place{.index = 3, .generation = 1});
    }

    TEST_CASE("a connection leaves once: by whichever verb, it is not found again") {
        SlotAccount account = with_given(3);
        REQUIRE(account.take_back(1));
        REQUIRE(account.give_back(2));
        REQUIRE(account.lose(3));
        for (const std::uint32_t handoff : {1U, 2U, 3U}) {
            CHECK_FALSE(account.find(handoff));
            CHECK_FALSE(account.take_back(handoff));
            CHECK_FALSE(account.give_back(handoff));
            CHECK_FALSE(account.lose(handoff));
        }
        CHECK(account.outstanding() == 0);
        CHECK(account.handed() == 2);  // What was taken back was never handed.
        CHECK(account.lose_rest(never) == 0);
        CHECK_FALSE(account.oldest());
    }
}
