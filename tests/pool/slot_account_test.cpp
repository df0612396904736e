#include "pool/slot_account.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace bullpen;

namespace {

/// The same in the plainest way: a list of what is outstanding, and a count for each way out.
struct Naive {
    std::vector<std::pair<std::uint64_t, Place>> given;
    std::uint64_t handed = 0;
    std::uint64_t finished = 0;
    std::uint64_t returned = 0;
    std::uint64_t lost = 0;
    std::uint64_t handoffs = 0;

    std::optional<Place> remove(std::uint64_t handoff) {
        for (auto it = given.begin(); it != given.end(); ++it) {
            if (it->first != handoff) continue;
            const Place client = it->second;
            given.erase(it);
            return client;
        }
        return {};
    }

    /// Mostly one that is outstanding; else one that never was or no longer is.
    [[nodiscard]] std::uint64_t some_handoff(std::mt19937& random) const {
        if (random() % 16 == 0) return ~std::uint64_t{0} - random() % 2;
        if (given.empty() || random() % 8 == 0) return random() % 5000;
        return given[random() % given.size()].first;
    }
};

void check_same(const SlotAccount& account, const Naive& naive) {
    REQUIRE(account.outstanding() == naive.given.size());
    REQUIRE(account.handed() == naive.handed);
    REQUIRE(account.finished() == naive.finished);
    REQUIRE(account.returned() == naive.returned);
    REQUIRE(account.lost() == naive.lost);
    REQUIRE(account.handoffs() == naive.handoffs);
    REQUIRE(account.completions() == naive.finished + naive.returned);
    REQUIRE(account.handed() ==
            account.finished() + account.returned() + account.lost() + account.outstanding());
    if (naive.given.empty())
        REQUIRE(!account.oldest());
    else
        REQUIRE(account.oldest() == naive.given.front().second);
    auto outstanding = account.given().begin();
    for (const auto& [handoff, client] : naive.given) {
        REQUIRE(account.find(handoff) == client);
        REQUIRE(outstanding->handoff == handoff);
        REQUIRE(outstanding++->client == client);
    }
}

SlotAccount with_given(std::uint32_t clients) {
    SlotAccount account;
    account.reserve(clients);
    for (std::uint32_t i = 0; i < clients; ++i)
        account.give({.index = i, .generation = 1});
    return account;
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
            std::set<std::uint64_t> handoffs;
            std::uint32_t generation = 0;
            for (int step = 0; step < 8000; ++step) {
                if (random() % 2 == 0) {
                    if (account.outstanding() == depth) continue;
                    const Place client{.index = static_cast<std::uint32_t>(random() % depth),
                                       .generation = ++generation};
                    const std::uint64_t handoff = account.give(client);
                    REQUIRE(handoffs.insert(handoff).second);
                    naive.given.emplace_back(handoff, client);
                    ++naive.handed;
                    ++naive.handoffs;
                } else {
                    const std::uint64_t handoff = naive.some_handoff(random);
                    const auto client = naive.remove(handoff);
                    const std::uint64_t one = client ? 1 : 0;
                    switch (random() % 4) {
                        case 0:
                            REQUIRE(account.take_back(handoff) == client);
                            naive.handed -= one;
                            break;
                        case 1:
                            REQUIRE(account.park(handoff) == client);
                            naive.returned += one;
                            break;
                        case 2:
                            REQUIRE(account.end(handoff) == client);
                            naive.finished += one;
                            break;
                        default: REQUIRE(account.lose(handoff) == client); naive.lost += one;
                    }
                }
                check_same(account, naive);
            }
        }
    }

    TEST_CASE("connections may end in any order, and the oldest is the one that was given first") {
        SlotAccount account = with_given(4);
        CHECK(account.end(3) == Place{.index = 2, .generation = 1});
        CHECK(account.oldest() == Place{.index = 0, .generation = 1});
        CHECK(account.park(1) == Place{.index = 0, .generation = 1});
        CHECK(account.oldest() == Place{.index = 1, .generation = 1});
        CHECK(account.find(4) == Place{.index = 3, .generation = 1});
        CHECK(account.finished() == 1);
        CHECK(account.returned() == 1);
    }

    TEST_CASE("a number that was never given names nothing") {
        SlotAccount account = with_given(2);
        for (const std::uint64_t number :
             {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{1} << 32 | 1, ~std::uint64_t{0}}) {
            CHECK_FALSE(account.find(number));
            CHECK_FALSE(account.end(number));
            CHECK_FALSE(account.park(number));
            CHECK_FALSE(account.take_back(number));
            CHECK_FALSE(account.lose(number));
        }
        CHECK(account.outstanding() == 2);
        CHECK(account.handed() == 2);
    }

    TEST_CASE("a connection leaves once: by whichever verb, it is not found again") {
        SlotAccount account = with_given(4);
        REQUIRE(account.take_back(1));
        REQUIRE(account.park(2));
        REQUIRE(account.lose(3));
        REQUIRE(account.end(4));
        for (const std::uint64_t handoff : {1U, 2U, 3U, 4U}) {
            CHECK_FALSE(account.find(handoff));
            CHECK_FALSE(account.take_back(handoff));
            CHECK_FALSE(account.park(handoff));
            CHECK_FALSE(account.lose(handoff));
            CHECK_FALSE(account.end(handoff));
        }
        CHECK(account.outstanding() == 0);
        CHECK(account.given().empty());
        CHECK(account.handed() == 3);  // What was taken back was never handed.
        CHECK(account.handoffs() == 4);
        CHECK_FALSE(account.oldest());
    }

    TEST_CASE("one that was withdrawn is no longer outstanding, and its worker may decline it once") {
        SlotAccount account = with_given(3);
        CHECK_FALSE(account.may_decline(2));
        CHECK(account.begin_withdrawal() == 3);
        CHECK(account.withdraw(2) == Place{.index = 1, .generation = 1});
        CHECK(account.outstanding() == 2);
        CHECK(account.handed() == 2);
        CHECK(account.completions() == 0);
        CHECK(account.completions_due() == 3);
        CHECK(account.may_decline(2));
        CHECK_FALSE(account.decline(2));
        CHECK(account.completions() == 1);
        CHECK(account.completions_due() == 2);
        CHECK_FALSE(account.may_decline(2));
    }

    TEST_CASE("one that its worker declines before the master has withdrawn it is the master's again") {
        SlotAccount account = with_given(2);
        REQUIRE(account.begin_withdrawal() == 2);
        CHECK(account.may_decline(2));
        CHECK(account.decline(2) == Place{.index = 1, .generation = 1});
        CHECK(account.completions() == 1);
        CHECK(account.completions_due() == 1);
        CHECK(account.handed() == 1);
        CHECK_FALSE(account.withdraw(2));
        CHECK_FALSE(account.may_decline(2));
    }

    TEST_CASE("what was given after a withdrawal may not be declined, and the dead decline nothing") {
        SlotAccount account = with_given(2);
        REQUIRE(account.begin_withdrawal() == 2);
        REQUIRE(account.withdraw(2));
        REQUIRE(account.give({.index = 2, .generation = 1}) == 3);
        CHECK_FALSE(account.may_decline(3));
        account.forget_withdrawn();
        CHECK_FALSE(account.may_decline(2));
        CHECK(account.completions_due() == 2);
    }

    TEST_CASE("a connection that was taken back and given once more has another number") {
        SlotAccount account = with_given(1);
        const Place client = *account.take_back(1);
        CHECK(account.give(client) == 2);
        CHECK_FALSE(account.end(1));
        CHECK(account.end(2) == client);
    }
}
