/// Who gets the next client: what a pool does with workers that have room for more than one, or several to a
/// process.
#include <doctest/doctest.h>

#include <set>

#include <bullpen/async_connection.hpp>
#include "pool/pool.hpp"
#include "servers/models/models.hpp"
#include "tests/pool/running_master.hpp"

using namespace bullpen;

namespace {

/// Says which process serves, and stays until the client ends its side.
void name_and_stay(Connection& client) {
    client.write_all(std::to_string(::getpid()) + "\n");
    std::array<std::byte, 16> buffer;
    while (client.read_some(buffer) > 0)
        continue;
}

boost::asio::awaitable<void> name_and_stay_async(AsyncConnection& client) {
    const std::string name = std::to_string(::getpid()) + "\n";
    co_await client.write_all(name);
    std::array<std::byte, 16> buffer;
    while (co_await client.read_some(buffer) > 0)
        continue;
}

/// The name that a client was told; 0 if nobody serves it.
int named(const UniqueFd& client) {
    std::string name;
    char byte = 0;
    while (::recv(client.get(), &byte, 1, 0) == 1 && byte != '\n')
        name += byte;
    return name.empty() ? 0 : std::stoi(name);
}

}  // namespace

TEST_SUITE("pool: who gets the next client") {
    TEST_CASE("what is queued ahead on a worker that stays busy goes to one that falls idle") {
        PoolOptions pool = pool_of(2, name_and_stay);
        pool.queue_ahead = 1;
        RunningMaster master{{pool}};
        REQUIRE(eventually([&] { return master.totals().idle == 2; }));
        std::vector<UniqueFd> clients;
        // Several are handed out ahead once the master has seen that several wait, for which it looks now and
        // then.
        for (int attempt = 0; attempt < 200 && master.totals().queued == 0; ++attempt) {
            clients.clear();
            REQUIRE(eventually([&] { return at_rest(master.totals()) && master.totals().idle == 2; }));
            ::kill(master.pid(), SIGSTOP);
            REQUIRE(eventually([&] { return is_stopped(master.pid()); }));
            for (int i = 0; i < 3; ++i)
                clients.push_back(master.connect());
            ::kill(master.pid(), SIGCONT);
            REQUIRE(eventually([&] { return master.totals().begun == 2; }));
            ::usleep(10'000);
        }
        REQUIRE(master.totals().queued == 1);
        const int slot_0 = named(clients[0]);
        const int slot_1 = named(clients[1]);
        clients[1].reset();
        CHECK(slot_0 != slot_1);
        CHECK(named(clients[2]) == slot_1);
        CHECK(eventually(
            [&] { return master.board().header().recovered >= 1; }));  // Counted after the handoff.
        CHECK(master.totals().begun == 2);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("without a queue ahead a client waits in the backlog until a worker is idle") {
        PoolOptions pool = pool_of(1, name_and_stay);
        pool.queue_ahead = 0;
        RunningMaster master{{pool}};
        UniqueFd first = master.connect();
        const int worker = named(first);
        const UniqueFd second = master.connect();
        CHECK(eventually([&] { return master.board().header().listen_queues[0].length == 1; }));
        CHECK(master.totals().accepted == 1);
        first.reset();
        CHECK(named(second) == worker);
        CHECK(master.board().header().recovered == 0);
    }

    TEST_CASE("event loops fill evenly, each to its capacity and not beyond") {
        PoolOptions pool = pool_of(2, {[](Connection&) {}}, prefork_event);
        pool.async_handler = name_and_stay_async;
        pool.capacity = 3;
        RunningMaster master{{pool}};
        REQUIRE(eventually([&] { return master.totals().idle == 2; }));
        std::vector<UniqueFd> clients;
        std::multiset<int> names;
        for (int i = 0; i < 6; ++i) {
            clients.push_back(master.connect());
            names.insert(named(clients.back()));
            const auto of_one = static_cast<std::size_t>(names.count(*names.begin()));
            CHECK(of_one >= static_cast<std::size_t>(i / 2));
            CHECK(of_one <= static_cast<std::size_t>(i / 2 + 1));
        }
        CHECK(names.count(*names.begin()) == 3);
        const UniqueFd seventh = master.connect();
        CHECK(eventually([&] { return master.board().header().listen_queues[0].length == 1; }));
        CHECK(master.totals().accepted == 6);
        clients.front().reset();
        CHECK(named(seventh) != 0);
        clients.clear();
        ::shutdown(seventh.get(), SHUT_WR);
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("workers of one process die together, and each one's connection is counted") {
        PoolOptions pool = pool_of(4, name_and_stay, prefork);
        pool.threads = 2;
        RunningMaster master{{pool}};
        REQUIRE(eventually([&] { return master.totals().idle == 4; }));
        CHECK(eventually([&] { return master.board().header().spawns == 2; }));  // Counted after the fork.
        std::vector<UniqueFd> clients;
        std::vector<int> names;
        for (int i = 0; i < 4; ++i) {
            clients.push_back(master.connect());
            names.push_back(named(clients.back()));
        }
        CHECK(names[0] == names[1]);
        CHECK(names[2] == names[3]);
        CHECK(names[0] != names[2]);
        ::kill(names[0], SIGKILL);
        CHECK(eventually([&] { return master.totals().lost == 2 && master.totals().idle == 2; }));
        CHECK(eventually([&] { return master.board().header().spawns == 3; }));
        CHECK(master.board().entry(0).lost == 1);
        CHECK(master.board().entry(1).lost == 1);
        const UniqueFd next = master.connect();
        CHECK(named(next) != names[0]);
        clients.clear();
        ::shutdown(next.get(), SHUT_WR);
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("each worker with a listener of its own gets clients, and so does its successor in the slot") {
        RunningMaster master{{pool_of(
            3, [](Connection& client) { client.write_all(std::to_string(::getpid())); }, prefork_reuseport)}};
        REQUIRE(eventually([&] { return master.totals().idle == 3; }));
        for (int round = 0; round < 2; ++round) {
            std::set<std::string> names;
            for (int i = 0; i < 100; ++i)
                names.insert(master.ask(""));
            CHECK(names.size() == 3);
            CHECK(names.count("") == 0);
            for (const std::string& name : names)
                ::kill(std::stoi(name), SIGKILL);
            const auto spawns = static_cast<std::uint64_t>(3 * (round + 2));
            CHECK(eventually(
                [&] { return master.board().header().spawns == spawns && master.totals().idle == 3; }));
        }
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }
}
