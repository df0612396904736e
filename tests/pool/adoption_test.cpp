/// What outlives a master, and what its successor makes of it: a child process plays the one that dies.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "core/process.hpp"
#include "pool/connections.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/source_limits.hpp"
#include "tests/core/open_descriptors.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;

namespace {

const std::vector<std::string> one_listener = {"127.0.0.1:80"};

/// Runs `life` in a process with the same descriptors and shared memory, which dies at its end, whatever it
/// is in the middle of.
void live_and_die(const std::function<void()>& life) {
    const auto pid = spawn_sharing_descriptors([&] {
        life();
        return 0;
    });
    REQUIRE(pid);
    ::waitpid(*pid, nullptr, 0);
}

[[noreturn]] void die() {
    ::_exit(0);
}

struct Table {
    Scoreboard board{2};
    Admission admission{{}, one_listener};
    Connections connections{board, admission, ""};
    std::vector<int> before;

    Table() {
        connections.limit(10);
        before = list_descriptors();
    }

    /// The successor's: what is open and was not before.
    OpenDescriptors open() {
        std::vector<int> opened = list_descriptors();
        std::erase_if(opened,
                      [this](int fd) { return std::find(before.begin(), before.end(), fd) != before.end(); });
        return OpenDescriptors{std::move(opened)};
    }
    std::vector<UniqueFd> adopt() {
        OpenDescriptors found = open();
        board.roll_back();
        connections.adopt(found);
        return found.strays();
    }
    std::size_t count(Where where) {
        std::size_t sum = 0;
        connections.for_each(where, [&](Place, ConnectionEntry&) { ++sum; });
        return sum;
    }
};

Place accept(Table& table, int fd) {
    return table.connections.add(UniqueFd{fd}, Peer{}, 0, Clock::now());
}

}  // namespace

TEST_SUITE("pool: adoption") {
    TEST_CASE(
        "a change that a master's death interrupts is taken back as a whole, what was committed stays") {
        Scoreboard board{1};
        live_and_die([&] {
            {
                const Scoreboard::Change first{board};
                board.remember(board.header().accepted);
                add(board.header().accepted, 3);
            }
            const Scoreboard::Change outer{board};
            board.remember(board.header().completed);
            add(board.header().completed, 5);
            board.commit();
            const Scoreboard::Change inner{board};
            board.remember(board.header().accepted);
            add(board.header().accepted);
            board.remember(board.header().accepted);
            add(board.header().accepted);
            die();
        });
        CHECK(board.header().version % 2 == 1);
        board.roll_back();
        CHECK(board.header().accepted == 3);
        CHECK(board.header().completed == 5);
        CHECK(board.header().version % 2 == 0);
    }

    TEST_CASE(
        "connections that were added are there with their descriptors, one that was being added is a stray") {
        Table table;
        SocketPair sockets[] = {tcp_sockets(), tcp_sockets(), tcp_sockets()};
        int servers[3];
        table.before = list_descriptors();
        for (int i = 0; i < 3; ++i) {
            servers[i] = sockets[i].server.release();
            std::erase(table.before, servers[i]);
        }
        live_and_die([&] {
            accept(table, servers[0]);
            table.connections.move(accept(table, servers[1]), Where::parked);
            const Scoreboard::Change change{table.board};
            accept(table, servers[2]);
            die();
        });
        std::vector<UniqueFd> strays = table.adopt();
        REQUIRE(strays.size() == 1);
        CHECK(strays[0].get() == servers[2]);
        CHECK(table.connections.size() == 2);
        CHECK(table.count(Where::waiting) == 1);
        CHECK(table.count(Where::parked) == 1);
        CHECK(table.board.header().accepted == 2);
        CHECK(table.board.header().queued == 1);
        CHECK(table.board.header().parked == 1);
        table.connections.for_each(Where::waiting, [&](Place place, ConnectionEntry& entry) {
            CHECK(entry.socket.get() == servers[0]);
            table.connections.end(place, Ending::completed());
        });
        table.connections.for_each(Where::parked, [&](Place place, ConnectionEntry&) {
            table.connections.end(place, Ending::completed());
        });
        CHECK(table.connections.size() == 0);
        CHECK(table.board.header().completed == 2);
    }

    TEST_CASE("an ending that is counted is finished, and its place is free for another") {
        Table table;
        SocketPair sockets = tcp_sockets();
        SocketPair others = tcp_sockets();
        const int server = sockets.server.release();
        table.before = list_descriptors();
        std::erase(table.before, server);
        live_and_die([&] {
            const Place place = accept(table, server);
            table.connections.at(place).ended = true;
            die();
        });
        CHECK(table.adopt().empty());
        CHECK(table.connections.size() == 0);
        char byte = 0;
        CHECK(::recv(sockets.client.get(), &byte, 1, 0) == 0);  // It is closed.
        const Place place = accept(table, others.server.release());
        CHECK(place.index == 0);
        CHECK(place.generation == 2);
        table.connections.end(place, Ending::completed());
    }

    TEST_CASE("a connection whose descriptor isn't open is lost in the master's hands") {
        Table table;
        SocketPair sockets = tcp_sockets();
        const int server = sockets.server.release();
        table.before = list_descriptors();
        std::erase(table.before, server);
        live_and_die([&] {
            accept(table, server);
            ::close(server);
            die();
        });
        CHECK(table.adopt().empty());
        CHECK(table.connections.size() == 0);
        CHECK(table.board.header().lost[static_cast<std::size_t>(ExitReason::master)] == 1);
    }

    TEST_CASE("a descriptor can be claimed once, and what nobody claims is left") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        OpenDescriptors open{{ends[1], ends[0]}};
        CHECK(open.claim(ends[0]));
        CHECK_FALSE(open.claim(ends[0]));
        CHECK_FALSE(open.claim(1000));
        const std::vector<UniqueFd> strays = open.strays();
        REQUIRE(strays.size() == 1);
        CHECK(strays[0].get() == ends[1]);
        ::close(ends[0]);
    }

    TEST_CASE("the connections of a source count again") {
        SourceLimits limits{{.connections_max = 2}};
        const Peer peer{.address = *IpAddress::parse("192.0.2.1"), .port = 1, .has_address = true};
        limits.recount(peer);
        limits.recount(peer);
        CHECK(limits.admit(peer, TimePoint{} + std::chrono::hours{1}) == Refusal::source);
        limits.ended(peer);
        CHECK_FALSE(limits.admit(peer, TimePoint{} + std::chrono::hours{1}));
    }
}
