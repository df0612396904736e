/// Connections that workers give back.
#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "servers/models/models.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;
using std::chrono::milliseconds;

namespace {

/// How often a process went to sleep.
long sleeps(pid_t pid) {
    std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
    for (std::string word; status >> word;)
        if (word == "voluntary_ctxt_switches:") {
            long count = 0;
            status >> count;
            return count;
        }
    return 0;
}

std::string state_of(const UniqueFd& client) {
    return answer_to(client, "g", sizeof(ConnectionState));
}

const std::string no_state(sizeof(ConnectionState), '\0');

}  // namespace

TEST_SUITE("pool: parking") {
    TEST_CASE("all bytes of the state come to the next worker, and a new connection has none") {
        RunningMaster master{{pool_that_obeys(2)}};
        REQUIRE(eventually([&] { return master.totals().idle == 2; }));
        const UniqueFd client = master.connect();
        CHECK(state_of(client) == no_state);
        CHECK(answer_to(client, "s") == "s");
        const pid_t first = server_of(client);
        REQUIRE(is_parked(master));
        const UniqueFd another = master.connect();
        CHECK(state_of(another) == no_state);
        REQUIRE(is_parked(master, 2));
        CHECK(answer_to(another, "h") == "h");  // In the lowest slot.
        CHECK(server_of(client) != first);
        std::string expected = no_state;
        for (std::size_t i = 0; i < expected.size(); ++i)
            expected[i] = static_cast<char>(i + 1);
        CHECK(state_of(client) == expected);
        say(another, "x");
        CHECK(state_of(another) == no_state);
        CHECK(law_holds(master));
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("a file stays with the connection, and goes with it") {
        RunningMaster master{{pool_that_obeys(1)}};
        UniqueFd client = master.connect();
        CHECK(answer_to(client, "r") == "-");
        REQUIRE(is_parked(master));
        const std::size_t before = descriptors_of(master.pid());
        for (int round = 0; round < 3; ++round) {
            CHECK(answer_to(client, "f") == "f");
            REQUIRE(is_parked(master));
            CHECK(descriptors_of(master.pid()) == before + 1);
            CHECK(answer_to(client, "r", 4) == "kept");
            REQUIRE(is_parked(master));
        }
        client.reset();
        CHECK(eventually([&] { return descriptors_of(master.pid()) == before - 1; }));
        CHECK(law_holds(master));
    }

    TEST_CASE("a client that takes its answer slowly costs no worker, and gets every byte") {
        RunningMaster master{{pool_that_obeys(1)}};
        std::vector<UniqueFd> slow;
        for (int i = 0; i < 5; ++i) {
            slow.push_back(master.connect());
            say(slow.back(), "w");
        }
        REQUIRE(is_parked(master, 5));
        CHECK(master.totals().idle == 1);
        const UniqueFd other = master.connect();
        CHECK(answer_to(other, "s") == "s");
        for (const UniqueFd& client : slow)
            CHECK(is_large_content(RunningMaster::answer(client.get())));
        CHECK(law_holds(master));
        CHECK(master.totals().completed == 5);
    }

    TEST_CASE("hundreds of clients between two requests wait on one worker, and anybody is served at once") {
        RunningMaster master{{pool_that_obeys(1)}};
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 300; ++i) {
            clients.push_back(master.connect());
            CHECK(answer_to(clients.back(), "s") == "s");
        }
        REQUIRE(is_parked(master, 300));
        CHECK(master.totals().idle == 1);
        for (const UniqueFd& client : clients)
            CHECK(answer_to(client, "s") == "s");
        CHECK(law_holds(master));
    }

    TEST_CASE("a client that leaves while it is parked wakes the master once, and no worker") {
        constexpr long many = 50;
        RunningMaster master{{pool_that_obeys(1)}};
        REQUIRE(eventually([&] { return master.totals().idle == 1; }));
        const std::size_t descriptors = descriptors_of(master.pid());
        std::vector<UniqueFd> clients;
        for (int i = 0; i < many; ++i) {
            clients.push_back(master.connect());
            CHECK(answer_to(clients.back(), "s") == "s");
        }
        REQUIRE(is_parked(master, many));
        const auto handed = handoffs(master);
        const long before = sleeps(master.pid());
        const TimePoint begun = Clock::now();
        while (!clients.empty()) {
            clients.pop_back();
            REQUIRE(eventually([&] { return master.totals().parked == clients.size(); }));
        }
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun).count();
        CHECK(sleeps(master.pid()) - before <= many + 3 + 3 * seconds);  // It looks once a second, too.
        CHECK(descriptors_of(master.pid()) == descriptors);  // All are closed as soon as they are counted.
        CHECK(handoffs(master) == handed);
        CHECK(master.totals().completed == many);
        CHECK(law_holds(master));
    }

    TEST_CASE("a client that resets the connection while it is parked has broken off") {
        RunningMaster master{{pool_that_obeys(1)}};
        UniqueFd client = master.connect();
        CHECK(answer_to(client, "s") == "s");
        REQUIRE(is_parked(master));
        reset_by(client);
        CHECK(eventually([&] { return master.totals().client_aborted == 1; }));
        CHECK(handoffs(master) == 1);
        CHECK(law_holds(master));
    }

    TEST_CASE("handed off when readable, a client costs no worker until it speaks") {
        PoolOptions pool = pool_that_obeys(1);
        pool.handoff_when = HandoffWhen::readable;
        RunningMaster master{{pool}};
        UniqueFd silent = master.connect();
        UniqueFd leaving = master.connect();
        REQUIRE(is_parked(master, 2));
        CHECK(handoffs(master) == 0);
        CHECK(master.board().header().parkings == 2);
        ::shutdown(leaving.get(), SHUT_WR);
        CHECK(RunningMaster::answer(leaving.get()).empty());
        REQUIRE(eventually([&] { return master.totals().client_aborted == 1; }));
        CHECK(handoffs(master) == 0);
        CHECK(state_of(silent) == no_state);
        CHECK(handoffs(master) == 1);
        reset_by(silent);
        CHECK(eventually([&] { return master.totals().client_aborted == 2; }));
        CHECK(law_holds(master));
    }

    TEST_CASE("handed off when accepted, a client has its worker before it speaks") {
        PoolOptions pool = pool_of(1, [](Connection& client) { client.write_all("hello"); });
        RunningMaster master{{pool}};
        CHECK(RunningMaster::answer(master.connect().get()) == "hello");
    }

    TEST_CASE("each time limit has its own count, and who was served before may go in order") {
        PoolOptions pool = pool_that_obeys(1);
        pool.handoff_when = HandoffWhen::readable;
        pool.time_limits.idle = milliseconds{100};
        pool.time_limits.header = milliseconds{100};
        pool.time_limits.write = milliseconds{100};
        RunningMaster master{{pool}};
        const UniqueFd fresh = master.connect();
        const UniqueFd served = master.connect();
        CHECK(answer_to(served, "s") == "s");
        const UniqueFd begun = master.connect();
        CHECK(answer_to(begun, "H") == "H");
        const UniqueFd deaf = master.connect();
        say(deaf, "w");
        for (const UniqueFd* client : {&fresh, &served, &begun})
            CHECK(RunningMaster::answer(client->get()).empty());
        CHECK(eventually([&] { return timed_out(master, Limit::write) == 1; }));
        CHECK(timed_out(master, Limit::header) == 1);
        CHECK(timed_out(master, Limit::idle) == 2);
        CHECK(law_holds(master));
    }

    TEST_CASE("two clients that speak at once while the only worker is busy wait in their order") {
        PoolOptions pool = pool_that_obeys(1);
        pool.queue_ahead = 0;
        RunningMaster master{{pool}};
        const UniqueFd busy = master.connect();
        const UniqueFd one = master.connect();
        CHECK(answer_to(one, "s") == "s");
        REQUIRE(eventually([&] { return master.totals().parked >= 1; }));
        CHECK(answer_to(busy, "h") == "h");
        say(one, "s");
        REQUIRE(eventually([&] { return master.totals().queued == 1; }));
        CHECK(master.totals().begun == 1);
        say(busy, "x");
        CHECK(answer_to(one, "").size() == 1);
        CHECK(law_holds(master));
    }

    TEST_CASE("kept clients that leave no worker idle, and none in the lobby, do not hide the backlog") {
        PoolOptions pool = pool_that_obeys(1);
        pool.queue_ahead = 2;
        pool.steal_after = std::chrono::hours{1};  // The places ahead are used as long as there are any.
        pool.standing_still = milliseconds{2'000};
        RunningMaster master{{pool}};
        std::array<UniqueFd, 2> kept;
        kept[1] = master.connect();
        CHECK(answer_to(kept[1], "s") == "s");
        REQUIRE(is_parked(master));
        kept[0] = master.connect();  // The last that the listener's watch reports while a worker is idle.
        CHECK(answer_to(kept[0], "h") == "h");
        say(kept[1], "h");
        REQUIRE(eventually([&] { return handoffs(master) == 3; }));
        const UniqueFd newcomer = master.connect();
        const TimePoint deadline = Clock::now() + 5 * pool.standing_still;
        std::size_t serving = 0;  // The other one waits in the channel.
        while (master.totals().accepted < 3 && Clock::now() < deadline) {
            const auto before = handoffs(master);
            say(kept[serving], "x");
            REQUIRE(answer_to(kept[1 - serving], "") == "h");
            say(kept[serving], "h");
            REQUIRE(eventually([&] { return handoffs(master) > before; }));
            serving = 1 - serving;
        }
        CHECK(master.totals().accepted == 3);
        for (const UniqueFd& client : kept)
            say(client, "x");
        CHECK(answer_to(newcomer, "s") == "s");
        CHECK(law_holds(master));
    }

    TEST_CASE("who has spoken and waits too long is refused in the service's words, who has begun is not") {
        PoolOptions pool = pool_that_obeys(1);
        pool.queue_ahead = 0;
        pool.queue = 8;
        pool.queue_timeout = milliseconds{200};
        pool.refusal = "not now";
        RunningMaster master{{pool}};
        REQUIRE(eventually([&] { return master.totals().idle == 1; }));  // Nobody waits for its start.
        const UniqueFd idle = master.connect();
        CHECK(answer_to(idle, "s") == "s");
        const UniqueFd sending = master.connect();
        say(sending, "w");
        REQUIRE(is_parked(master, 2));
        const UniqueFd busy = master.connect();
        CHECK(answer_to(busy, "h") == "h");
        say(idle, "s");
        CHECK(RunningMaster::answer(idle.get()) == "not now");
        CHECK(eventually([&] { return refused(master, Refusal::overload) == 1; }));
        std::string got(large / 2, '\0');
        REQUIRE(::recv(sending.get(), got.data(), got.size(), 0) > 0);
        REQUIRE(eventually([&] { return master.totals().queued + master.totals().parked == 1; }));
        ::usleep(600'000);  // Thrice as long as others may wait.
        CHECK(refused(master, Refusal::overload) == 1);
        CHECK(eventually([&] { return master.totals().begun == 1; }));
        say(busy, "x");
        (void)RunningMaster::answer(sending.get());
        CHECK(law_holds(master));
        CHECK(master.totals().completed == 1);
    }

    TEST_CASE("with as many connections open as there may be, the one that was idle for longest goes") {
        PoolOptions pool = pool_that_obeys(2);
        pool.connections_max = 3;
        pool.handoff_when = HandoffWhen::readable;
        RunningMaster master{{pool}};
        std::vector<UniqueFd> clients;
        for (const bool served : {true, false, true}) {
            clients.push_back(master.connect());
            if (served) CHECK(answer_to(clients.back(), "s") == "s");
            REQUIRE(is_parked(master, clients.size()));
        }
        clients.push_back(master.connect());
        CHECK(RunningMaster::answer(clients[0].get()).empty());
        REQUIRE(eventually([&] { return master.totals().completed == 1; }));
        clients.push_back(master.connect());
        CHECK(RunningMaster::answer(clients[1].get()).empty());
        CHECK(eventually([&] { return refused(master, Refusal::connections) == 1; }));
        CHECK(answer_to(clients[2], "s") == "s");
        CHECK(law_holds(master));
    }

    TEST_CASE(
        "with as many open as there may be and none of them idle, the next waits, and the master rests") {
        PoolOptions pool = pool_that_obeys(3);
        pool.connections_max = 2;
        RunningMaster master{{pool}};
        UniqueFd first = master.connect();
        const UniqueFd second = master.connect();
        CHECK(answer_to(first, "h") == "h");
        CHECK(answer_to(second, "H") == "H");
        const UniqueFd third = master.connect();
        const UniqueFd fourth = master.connect();
        say(third, "s");
        CHECK(eventually([&] { return master.board().header().listen_queues[0].length == 2; }));
        CHECK(does_not_spin(master.pid()));
        CHECK(master.totals().accepted == 2);
        first.reset();
        CHECK(answer_to(third, "") == "s");
        CHECK(answer_to(fourth, "s") == "s");
        CHECK(law_holds(master));
    }

    TEST_CASE("a handler that holds half a line keeps its worker, and gets the line as a whole") {
        const auto line_by_line = [](Connection& client) {
            std::array<std::byte, 64> buffer;
            const std::size_t size = client.read_some(buffer);
            if (size == 0) return Next::close;
            const auto read = std::span{buffer}.first(size);
            if (read.back() == std::byte{'\n'})
                client.write_all(read);
            else
                client.unread(read);
            return Next::await_input;
        };
        RunningMaster master{{pool_of(1, line_by_line)}};
        const UniqueFd client = master.connect();
        say(client, "ab");
        REQUIRE(eventually([&] { return master.totals().begun == 1; }));
        say(client, "c");
        const UniqueFd another = master.connect();
        say(another, "me\n");
        CHECK(master.totals().parked == 0);
        say(client, "d\n");
        CHECK(answer_to(client, "", 5) == "abcd\n");
        CHECK(answer_to(another, "", 3) == "me\n");
        CHECK(is_parked(master, 2));
        say(client, "e");
        REQUIRE(eventually([&] { return master.totals().begun == 1; }));
        ::shutdown(client.get(), SHUT_WR);
        CHECK(law_holds(master));
    }

    TEST_CASE("threads of one process give connections back, too") {
        PoolOptions pool = pool_that_obeys(4, prefork);
        pool.threads = 2;
        RunningMaster master{{pool}};
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 40; ++i) {
            clients.push_back(master.connect());
            CHECK(answer_to(clients.back(), "s") == "s");
        }
        REQUIRE(is_parked(master, 40));
        std::vector<pid_t> busy;
        for (std::size_t i = 0; i < 3; ++i) {
            busy.push_back(server_of(clients[i]));
            CHECK(answer_to(clients[i], "h") == "h");
        }
        CHECK(std::set<pid_t>(busy.begin(), busy.end()).size() == 2);
        ::kill(busy[0], SIGKILL);
        CHECK(eventually([&] { return master.totals().lost == 2; }));
        for (std::size_t i = 2; i < clients.size(); ++i)
            CHECK(answer_to(clients[i], i == 2 ? "xs" : "s") == "s");
        CHECK(law_holds(master));
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }
}
