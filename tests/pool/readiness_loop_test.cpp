/// What a worker does that serves many clients in turns, by whichever readiness source.
#include "pool/readiness_loop.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "servers/models/models.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;
using std::chrono::milliseconds;

namespace {

void under_each(const std::function<void(const Model&)>& body) {
    for (const Model& model : models()) {
        if (!model.takes_turns()) continue;
        CAPTURE(model.name);
        body(model);
    }
}

/// Takes byte after byte, as long as it sees one: counts each x, and answers n with their number. At w it
/// keeps its worker until the client says something more.
Next count(Connection& client) {
    static int counted = 0;
    for (;;) {
        std::array<std::byte, 1> said;
        const auto peeked = client.peek(said, {});
        if (!peeked) return Next::await_input;
        if (peeked->size == 0) return Next::close;
        client.take(said);
        switch (static_cast<char>(said[0])) {
            case 'x': ++counted; break;
            case 'n': client.write_all(std::to_string(counted) + "\n"); break;
            default: client.write_all("w"); (void)client.read_some(said);
        }
    }
}

int number_told(const UniqueFd& client) {
    std::string digits;
    for (char byte = 0; ::recv(client.get(), &byte, 1, 0) == 1 && byte != '\n';)
        digits += byte;
    return digits.empty() ? -1 : std::stoi(digits);
}

}  // namespace

TEST_SUITE("pool: clients in turns") {
    TEST_CASE("one that never stops talking has a turn for each of the others, and no more") {
        under_each([](const Model& model) {
            constexpr std::size_t others_count = 99;
            constexpr int turns_most = 20;  // The others are accepted in seven of them.
            RunningMaster master{{pool_of(1, count, model)}};
            const UniqueFd keeps_worker = master.connect();
            REQUIRE(answer_to(keeps_worker, "w") == "w");
            const UniqueFd floods = master.connect();
            const std::string flood(50'000, 'x');
            REQUIRE(::send(floods.get(), flood.data(), flood.size(), 0) == 50'000);
            std::vector<UniqueFd> others;
            for (std::size_t i = 0; i < others_count; ++i) {
                others.push_back(master.connect());
                REQUIRE(::send(others.back().get(), "n", 1, 0) == 1);
            }
            REQUIRE(::send(keeps_worker.get(), "!", 1, 0) == 1);
            for (const UniqueFd& other : others) {
                const int counted = number_told(other);
                CHECK(counted >= 0);
                CHECK(counted <= TurnBudget::looks_most * turns_most);
            }
            CHECK(answer_to(floods, "n", 6) == "50000\n");
        });
    }

    TEST_CASE("who says nothing is ended at the limit, and counted by it") {
        under_each([](const Model& model) {
            PoolOptions pool = pool_that_obeys(1, model);
            pool.time_limits.idle = milliseconds{50};
            RunningMaster master{{pool}};
            const UniqueFd silent = master.connect();
            const UniqueFd spoke = master.connect();
            CHECK(answer_to(spoke, "s") == "s");
            CHECK(RunningMaster::answer(silent.get()).empty());
            CHECK(RunningMaster::answer(spoke.get()).empty());
            CHECK(eventually([&] { return timed_out(master, Limit::idle) == 2; }));
            CHECK(law_holds(master));
        });
    }

    TEST_CASE("who doesn't take what was asked for is ended at the limit; who takes it gets all") {
        under_each([](const Model& model) {
            PoolOptions pool = pool_that_obeys(1, model);
            pool.time_limits.write = milliseconds{2000};
            RunningMaster master{{pool}};
            const UniqueFd takes_nothing = master.connect();
            REQUIRE(::send(takes_nothing.get(), "w", 1, 0) == 1);
            const UniqueFd takes_all = master.connect();
            REQUIRE(::send(takes_all.get(), "w", 1, 0) == 1);
            CHECK(is_large_content(RunningMaster::answer(takes_all.get())));
            CHECK(eventually([&] { return timed_out(master, Limit::write) == 1; }));
            CHECK(law_holds(master));
        });
    }

    TEST_CASE("state and file stay with the connection from turn to turn") {
        under_each([](const Model& model) {
            RunningMaster master{{pool_that_obeys(1, model)}};
            const UniqueFd first = master.connect();
            const UniqueFd second = master.connect();
            CHECK(answer_to(first, "s") == "s");
            CHECK(answer_to(second, "f") == "f");
            CHECK(answer_to(first, "g", 2) == std::string{"\1\2"});
            CHECK(answer_to(second, "r", 4) == "kept");
        });
    }

    TEST_CASE("no more than the capacity are taken in, and the next once one has left") {
        under_each([](const Model& model) {
            PoolOptions pool = pool_that_obeys(1, model);
            pool.capacity = 2;
            RunningMaster master{{pool}};
            std::vector<UniqueFd> here;
            for (int i = 0; i < 2; ++i) {
                here.push_back(master.connect());
                CHECK(answer_to(here.back(), "s") == "s");
            }
            const UniqueFd next = master.connect();
            REQUIRE(::send(next.get(), "s", 1, 0) == 1);
            CHECK(answer_to(here.front(), "s") == "s");
            CHECK(master.totals().accepted == 2);
            here.pop_back();
            CHECK(answer_to(next, "s") == "s");
        });
    }

    TEST_CASE("at a stop who is between two requests is closed, and who has begun is served") {
        under_each([](const Model& model) {
            RunningMaster master{{pool_that_obeys(1, model)}};
            const UniqueFd between = master.connect();
            CHECK(answer_to(between, "s") == "s");
            const UniqueFd takes = master.connect();
            REQUIRE(::send(takes.get(), "w", 1, 0) == 1);
            std::array<char, 1> byte;
            REQUIRE(::recv(takes.get(), byte.data(), 1, MSG_PEEK) == 1);
            ::kill(master.keeper(), SIGTERM);
            CHECK(RunningMaster::answer(between.get()).empty());
            CHECK(is_large_content(RunningMaster::answer(takes.get())));
            CHECK(master.stop() == 0);
            CHECK(master.totals().completed == 2);
            CHECK(master.totals().unaccounted() == 0);
        });
    }
}
