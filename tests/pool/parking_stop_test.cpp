/// Parked clients at the end of a server, and in models whose workers can't give them back.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "servers/models/models.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;
using std::chrono::milliseconds;

namespace {

PoolOptions when_readable(int workers, const Model& model = handing_off) {
    PoolOptions pool = pool_that_obeys(workers, model);
    pool.handoff_when = HandoffWhen::readable;
    return pool;
}

void begin_stop(const RunningMaster& master) {
    ::kill(master.keeper(), SIGTERM);
    REQUIRE(eventually([&] { return master.board().header().draining == 1; }));
}

/// Waits for the end of a stop that has begun. The signal that comes again changes nothing.
void check_stopped(RunningMaster& master, int exit_status = 0) {
    CHECK(master.stop() == exit_status);
    CHECK(master.totals().unaccounted() == 0);
    CHECK(master.totals().parked == 0);
}

bool is_alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

}  // namespace

TEST_SUITE("pool: parking and the end") {
    TEST_CASE("at a stop idle clients are let go, each kind in its way, and who has begun is served") {
        PoolOptions pool = when_readable(1);
        pool.stop_patience = milliseconds{300};
        RunningMaster master{{pool}};
        const UniqueFd silent = master.connect();
        const UniqueFd late = master.connect();
        const UniqueFd served = master.connect();
        CHECK(answer_to(served, "s") == "s");
        const UniqueFd begun = master.connect();
        CHECK(answer_to(begun, "sH", 2) == "sH");
        const UniqueFd sending = master.connect();
        say(sending, "w");
        REQUIRE(is_parked(master, 5));
        begin_stop(master);
        CHECK(answer_to(late, "s") == "s");  // It has a moment for its request.
        CHECK(RunningMaster::answer(served.get()).empty());
        CHECK(RunningMaster::answer(silent.get()).empty());
        CHECK(refused(master, Refusal::stopping) == 1);
        CHECK(master.totals().completed >= 1);
        CHECK(answer_to(begun, "g", 64).size() == 64);
        CHECK(is_large_content(RunningMaster::answer(sending.get())));
        check_stopped(master);
        CHECK(master.totals().completed == 4);
        CHECK(master.totals().lost == 0);
    }

    TEST_CASE("one that is given back after the workers were told to leave is still served") {
        RunningMaster master{{pool_that_obeys(2)}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "sh", 2) == "sh");
        begin_stop(master);
        REQUIRE(eventually([&] { return master.totals().draining > 0; }));
        CHECK(answer_to(client, "xH") == "H");
        REQUIRE(eventually([&] { return master.totals().parked == 1; }));
        CHECK(answer_to(client, "gc", 64).size() == 64);
        check_stopped(master);
        CHECK(master.totals().lost == 0);
        CHECK(master.totals().completed == 1);
    }

    TEST_CASE("a parked client's worker may die during the stop") {
        RunningMaster master{{pool_that_obeys(1)}};
        const UniqueFd client = master.connect();
        const pid_t worker = server_of(client);
        CHECK(answer_to(client, "sH", 2) == "sH");
        REQUIRE(is_parked(master));
        begin_stop(master);
        ::kill(worker, SIGKILL);
        // A connection that is handed to it in this moment would be received and lost.
        REQUIRE(eventually([&] { return !is_alive(worker); }));
        CHECK(answer_to(client, "gc", 64).size() == 64);
        check_stopped(master);
        CHECK(master.totals().lost == 0);
    }

    TEST_CASE("who is parked in the middle of something at the end of the drain time-out is lost") {
        RunningMaster master{{pool_that_obeys(1)}, std::chrono::seconds{1}};
        const UniqueFd begun = master.connect();
        CHECK(answer_to(begun, "H") == "H");
        const UniqueFd sending = master.connect();
        say(sending, "w");
        REQUIRE(is_parked(master, 2));
        check_stopped(master, exit_lost);
        CHECK(master.board().header().lost[static_cast<std::size_t>(ExitReason::drain_limit)] == 2);
    }

    TEST_CASE("when the keeper is killed its workers end, and so do the connections that the master held") {
        RunningMaster master{{pool_that_obeys(2)}};
        const UniqueFd served = master.connect();
        const pid_t first = server_of(served);
        const UniqueFd sending = master.connect();
        say(sending, "w");
        REQUIRE(is_parked(master, 2));
        const UniqueFd begun = master.connect();
        CHECK(answer_to(begun, "h") == "h");
        const pid_t second = server_of(served);
        CHECK(master.stop(SIGKILL) == -SIGKILL);
        CHECK(RunningMaster::answer(served.get()).empty());
        CHECK(RunningMaster::answer(sending.get()).size() < large);
        CHECK(answer_to(begun, "xg", 64).size() == 64);  // A living worker has it.
        CHECK(RunningMaster::answer(begun.get()).empty());
        CHECK(eventually([&] { return !is_alive(first) && !is_alive(second); }));
    }
}

TEST_SUITE("pool: parking in other models") {
    TEST_CASE("with a process for each client, one that says nothing costs none") {
        RunningMaster master{{when_readable(2, fork_per_client)}};
        std::vector<UniqueFd> silent;
        for (int i = 0; i < 10; ++i)
            silent.push_back(master.connect());
        REQUIRE(is_parked(master, 10));
        CHECK(master.board().header().spawns == 0);
        {
            const UniqueFd client = master.connect();
            CHECK(answer_to(client, "s") == "s");
            CHECK(
                eventually([&] { return master.board().header().spawns == 1; }));  // Counted after the fork.
            CHECK(answer_to(client, "Hg", 65).size() == 65);                       // The worker itself waits.
            CHECK(
                eventually([&] { return master.board().header().spawns == 1; }));  // Counted after the fork.
        }
        REQUIRE(is_parked(master, 10));
        for (const UniqueFd& client : silent)
            CHECK(answer_to(client, "sc") == "s");
        CHECK(law_holds(master));
        CHECK(master.totals().completed == 11);
        check_stopped(master);
    }

    TEST_CASE("with a program for each client, too") {
        PoolOptions pool = when_readable(1, inetd);
        pool.program = {.argv = {"/bin/cat"}};
        RunningMaster master{{pool}};
        UniqueFd silent = master.connect();
        REQUIRE(is_parked(master));
        CHECK(master.ask("meow") == "meow");
        CHECK(eventually([&] { return master.board().header().spawns == 1; }));
        silent.reset();
        CHECK(eventually([&] { return master.totals().client_aborted == 1; }));
        CHECK(law_holds(master));
        CHECK(eventually([&] { return master.board().header().spawns == 1; }));
        check_stopped(master);
    }

    TEST_CASE("a worker that accepts by itself waits by itself, and gives nothing back") {
        RunningMaster master{{pool_that_obeys(2, prefork_accept)}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "sHg", 66).size() == 66);
        say(client, "w");
        CHECK(is_large_content(RunningMaster::answer(client.get())));
        CHECK(eventually([&] { return master.totals().completed == 1; }));
        CHECK(master.board().header().parkings == 0);
        CHECK(law_holds(master));
    }
}
