/// Of a real keeper: whatever becomes of the master, its successor goes on.
#include "pool/keeper.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "core/process.hpp"
#include "core/shared_array.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/pool/every_model.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;

namespace {

using namespace std::chrono_literals;

/// Kills the master, and waits until there is another one.
void kill_master(const RunningMaster& master) {
    const pid_t pid = master.pid();
    ::kill(pid, SIGKILL);
    REQUIRE(eventually([&] { return master.pid() != pid; }));
}

}  // namespace

TEST_SUITE("pool: the keeper") {
    TEST_CASE("it waits before it makes another master only if masters die young, twice as long each time") {
        CHECK(keeper_pause(0) == 0ms);
        CHECK(keeper_pause(1) == 10ms);
        CHECK(keeper_pause(2) == 20ms);
        CHECK(keeper_pause(7) == 640ms);
        for (const int more : {8, 9, 100, 1'000'000})
            CHECK(keeper_pause(more) == 1000ms);
    }

    TEST_CASE("an order that comes when all is over does not end the process") {
        const auto child = spawn_child([] {
            unblock_signals();
            const UniqueFd news{::eventfd(0, EFD_CLOEXEC)};
            SharedArray<Logbook> logbook{1};
            const std::chrono::milliseconds timeout{10'000};
            Keeper keeper{logbook[0], news.get(), timeout};
            if (keeper.run([] { return 0; }) != 0) return 1;
            ::raise(SIGTERM);
            return 7;
        });
        REQUIRE(child);
        int status = 0;
        REQUIRE(::waitpid(*child, &status, 0) == *child);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 7);
    }

    TEST_CASE(
        "a master that makes room is followed at once by one that is made from what the keeper has changed") {
        const auto child = spawn_child([] {
            constexpr int patience_s = 60;
            ::alarm(patience_s);
            unblock_signals();
            const UniqueFd news{::eventfd(0, EFD_CLOEXEC)};
            SharedArray<Logbook> logbook{1};
            const std::chrono::milliseconds timeout{10'000};
            Keeper keeper{logbook[0], news.get(), timeout};
            int changes = 0;
            const auto master = [&] {
                logbook[0].is_ready = 1;
                if (changes < 3) return Keeper::made_room;
                if (changes == 3) ::raise(SIGKILL);  // After a death it is asked, too.
                return changes;
            };
            const TimePoint begin = Clock::now();
            const int result = keeper.run(master, [&] { ++changes; });
            const bool at_once = Clock::now() - begin < std::chrono::seconds{5};
            return result == 4 && logbook[0].masters == 5 && at_once ? 7 : 1;
        });
        REQUIRE(child);
        int status = 0;
        REQUIRE(::waitpid(*child, &status, 0) == *child);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 7);
    }

    TEST_CASE("a master that dies while it says that the server is ready is followed by one that says so") {
        SharedArray<std::atomic<int>> said{1};
        const auto die_at_first = [&said] {
            if (++said[0] == 1) ::raise(SIGKILL);
        };
        RunningMaster master{{pool_of(1, echo)}, std::chrono::seconds{30}, die_at_first};
        REQUIRE(eventually([&] { return said[0] == 2; }));
        const UniqueFd client = master.connect();
        say(client, "a");
        ::shutdown(client.get(), SHUT_WR);
        CHECK(RunningMaster::answer(client.get()) == "a");
        kill_master(master);
        CHECK(master.stop() == 0);
        CHECK(said[0] == 2);
    }

    TEST_CASE("a server that can't say that it is ready ends with the reason") {
        const auto child = spawn_child([] {
            unblock_signals();
            try {
                Master master{{.pools = {pool_of(1, echo)}}};
                master.run([] { throw std::runtime_error{"no room for a pid file"}; });
            } catch (const std::runtime_error& error) {
                return std::string_view{error.what()} == "no room for a pid file" ? 7 : 1;
            }
            return 0;
        });
        REQUIRE(child);
        int status = 0;
        REQUIRE(::waitpid(*child, &status, 0) == *child);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 7);
    }

    TEST_CASE("a parked connection stays parked, and its next request is served") {
        RunningMaster master{{pool_that_obeys(1)}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "s") == "s");
        REQUIRE(is_parked(master));
        const pid_t worker = workers_of(master).front();
        kill_master(master);
        CHECK(answer_to(client, "s") == "s");
        REQUIRE(is_parked(master));
        CHECK(workers_of(master) == std::vector{worker});
        CHECK(law_holds(master));
        CHECK(master.stop() == 0);
    }

    TEST_CASE("a connection that a worker has is ended by it and counted by the next master") {
        RunningMaster master{{pool_of(1, echo)}};
        const UniqueFd client = master.connect();
        say(client, "a");
        REQUIRE(eventually([&] { return master.totals().begun == 1; }));
        for (int i = 0; i < 5; ++i)
            kill_master(master);
        CHECK(answer_to(client, "b", 2) == "ab");
        ::shutdown(client.get(), SHUT_WR);
        CHECK(RunningMaster::answer(client.get()).empty());
        CHECK(eventually([&] { return at_rest(master.totals()) && master.totals().completed == 1; }));
        CHECK(master.totals().accepted == 1);
        CHECK(law_holds(master));
        CHECK(eventually([&] { return master.board().header().spawns == 1; }));
        CHECK(master.stop() == 0);
    }

    TEST_CASE("the master's descriptors don't become more with each master") {
        RunningMaster master{{pool_that_obeys(2)}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "s") == "s");
        REQUIRE(is_parked(master));
        kill_master(master);
        REQUIRE(eventually([&] { return master.ask("s") == "s"; }));
        REQUIRE(eventually([&] { return at_rest(master.totals()); }));
        const std::size_t before = descriptors_of(master.pid());
        for (int i = 0; i < 10; ++i) {
            kill_master(master);
            REQUIRE(master.ask("s") == "s");
        }
        CHECK(eventually([&] { return descriptors_of(master.pid()) <= before; }));
        CHECK(answer_to(client, "s") == "s");
    }

    TEST_CASE("a worker whose master and keeper die serves what it has and leaves") {
        RunningMaster master{{pool_of(1, echo)}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "a") == "a");
        const pid_t worker = workers_of(master).front();
        ::kill(master.pid(), SIGSTOP);
        master.stop(SIGKILL);
        CHECK(answer_to(client, "b") == "b");
        ::shutdown(client.get(), SHUT_WR);
        CHECK(RunningMaster::answer(client.get()).empty());
        CHECK(eventually([&] { return ::kill(worker, 0) != 0; }));
    }
}
