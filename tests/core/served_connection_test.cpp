#include "core/served_connection.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include <bullpen/clock.hpp>
#include "tests/core/socket_pair.hpp"

using namespace bullpen;

TEST_SUITE("core: served connections") {
    TEST_CASE("a later turn begins with what the earlier one has left") {
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server)};
        CHECK(served.connection().state() == ConnectionState{});
        ConnectionState state{};
        state[0] = std::byte{7};
        UniqueFd file{::memfd_create("test", MFD_CLOEXEC)};
        const int kept = file.get();
        served.go_on_from({.parking = {.in_vain = 2, .skips = 3}, .state = state}, std::move(file));
        CHECK(served.connection().state() == state);
        CHECK(served.connection().file().get() == kept);
        CHECK(+served.parking().in_vain == 2);
        CHECK(+served.parking().skips == 3);
    }

    TEST_CASE("a client that was parked before its first request has got nothing yet, any other has") {
        struct Row {
            Parking parking;
            bool exchanged;
        };
        for (const Row& row :
             {Row{{}, false}, Row{{.limit = Limit::header}, true}, Row{{.what = Await::output}, true}}) {
            SocketPair sockets = unix_sockets();
            ServedConnection served{std::move(sockets.server)};
            served.go_on_from({.parking = row.parking}, {});
            CHECK(served.exchanged() == row.exchanged);
        }
    }

    TEST_CASE("it may be given back where the worker can, unless that would lose what was read") {
        for (const bool parks : {false, true}) {
            SocketPair sockets = unix_sockets();
            ServedConnection served{std::move(sockets.server), {.parks = parks}};
            CHECK(served.may_be_given_back() == parks);
            const std::array<std::byte, 1> byte{};
            served.connection().unread(byte);
            CHECK(!served.may_be_given_back());
        }
    }

    TEST_CASE("with a file it may be given back where the worker can do that, too") {
        for (const bool parks_files : {false, true}) {
            SocketPair sockets = unix_sockets();
            ServedConnection served{std::move(sockets.server), {.parks = true, .parks_files = parks_files}};
            CHECK(served.may_be_given_back());
            served.connection().file() = UniqueFd{::memfd_create("test", MFD_CLOEXEC)};
            CHECK(served.may_be_given_back() == parks_files);
        }
    }

    TEST_CASE("it knows the file that an earlier turn has left from any other") {
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server)};
        CHECK(!served.has_file_from_before());
        const auto another = [] { return UniqueFd{::memfd_create("test", MFD_CLOEXEC)}; };
        served.connection().file() = another();
        CHECK(!served.has_file_from_before());
        served.go_on_from({}, another());
        CHECK(served.has_file_from_before());
        UniqueFd kept = std::move(served.connection().file());
        CHECK(!served.has_file_from_before());
        served.connection().file() = another();
        CHECK(!served.has_file_from_before());
        served.connection().file() = std::move(kept);
        CHECK(served.has_file_from_before());
    }

    TEST_CASE("it is blocking again before it is given back, whatever its handler has asked for") {
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server)};
        const auto is_nonblocking = [&] { return (::fcntl(served.fd(), F_GETFL) & O_NONBLOCK) != 0; };
        CHECK(served.connection().nonblocking_fd() == served.fd());
        CHECK(is_nonblocking());
        const UniqueFd file{::memfd_create("test", MFD_CLOEXEC)};
        REQUIRE(::ftruncate(file.get(), 1) == 0);
        served.connection().send_file(file.get(), 0, 1);
        CHECK(is_nonblocking());
        served.tidy();
        CHECK(!is_nonblocking());
        served.connection().send_file(file.get(), 0, 1);
        CHECK(!is_nonblocking());
    }

    TEST_CASE(
        "between two requests a client that waits is let go where others need the worker, if it can be") {
        static const std::atomic<std::uint32_t> none{0};
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server), {.spare = &none}};
        say(sockets.client, "x");
        CHECK(served.connection().wait_readable(Limit::idle));
        std::array<std::byte, 1> byte{};
        REQUIRE(::recv(served.connection().nonblocking_fd(), byte.data(), 1, 0) == 1);
        CHECK(!served.connection().wait_readable(Limit::idle));
        CHECK(served.exceeded() == Limit::none);
        CHECK(!served.wait_here(Await::input));
    }

    TEST_CASE("a handler that takes nothing of what is there is found out at its sixteenth turn") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const bool ends : {false, true}) {
                SocketPair sockets = make();
                say(sockets.client, "x");
                ServedConnection served{std::move(sockets.server)};
                REQUIRE(served.connection().wait_readable());
                if (ends) {
                    std::array<std::byte, 1> byte{};
                    REQUIRE(served.connection().read_some(byte) == 1);
                    sockets.client.reset();
                    REQUIRE(served.connection().read_some(byte) == 0);
                    served.check_progress();
                }
                for (int turn = 1; turn < 16; ++turn)
                    served.check_progress();
                CHECK_THROWS_AS(served.check_progress(), SpinningHandler);
            }
        }
    }

    TEST_CASE("that it has looked once is no excuse for later turns") {
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server), {.parks = true}};
        std::array<std::byte, 1> byte{};
        REQUIRE(!served.connection().peek(byte, {}));
        say(sockets.client, "x");
        for (int turn = 0; turn < 16; ++turn)
            CHECK_NOTHROW(served.check_progress());
        CHECK_THROWS_AS(served.check_progress(), SpinningHandler);
    }

    TEST_CASE("the turns are counted from worker to worker") {
        SocketPair sockets = unix_sockets();
        say(sockets.client, "x");
        ServedConnection served{std::move(sockets.server)};
        served.go_on_from({.parking = {.idle_turns = 15}}, {});
        CHECK_THROWS_AS(served.check_progress(), SpinningHandler);
    }

    TEST_CASE("a handler that comes further, or waits for more than is there, is never found out") {
        struct Row {
            const char* name;
            std::function<void(Connection&)> turn;
        };
        static std::array<std::byte, 64> buffer;
        std::size_t seen = 0;
        const auto takes = [](Connection& client) { (void)client.read_some(std::span{buffer}.first(1)); };
        const auto looks = [&](Connection& client) {
            while (const auto peeked = client.peek(buffer, {Limit::header}, seen))
                seen = peeked->size;
        };
        const Row rows[] = {
            {"reads", takes},
            {"takes what it saw",
             [](Connection& client) {
                 REQUIRE(client.peek(buffer, {}));
                 client.take(std::span{buffer}.first(1));
             }},
            {"gives back what it read",
             [](Connection& client) {
                 const std::size_t size = client.read_some(buffer);
                 client.unread(std::span{buffer}.first(size));
             }},
            {"asks for more than is there", looks},
            {"waits for more than is there",
             [](Connection& client) { client.wait_at_most({Limit::header}, 50); }},
            {"has the descriptor", [](Connection& client) { (void)client.fd(); }},
        };
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const Row& row : rows) {
                CAPTURE(std::string{row.name});
                SocketPair sockets = make();
                seen = 0;
                ServedConnection served{std::move(sockets.server), {.parks = true}};
                for (int turn = 0; turn < 40; ++turn) {
                    say(sockets.client, "x");
                    row.turn(served.connection());
                    CHECK_NOTHROW(served.check_progress());
                }
            }
        }
    }

    TEST_CASE("a turn that comes further ends the row") {
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server)};
        std::array<std::byte, 1> byte{};
        for (int turn = 0; turn < 40; ++turn) {
            say(sockets.client, "x");
            if (turn % 15 == 0) REQUIRE(served.connection().read_some(byte) == 1);
            CHECK_NOTHROW(served.check_progress());
        }
    }

    TEST_CASE("a close reaches the client at once") {
        SocketPair sockets = unix_sockets();
        ServedConnection served{std::move(sockets.server)};
        served.close();
        std::byte byte;
        CHECK(::recv(sockets.client.get(), &byte, 1, 0) == 0);
    }
}
