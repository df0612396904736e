#include <bullpen/testing.hpp>

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "tests/contains.hpp"
#include "tests/pool/running_master.hpp"

using namespace bullpen;
using bullpen::testing::TestServer;

namespace {

void hello(Connection& client) {
    client.write_all("hello");
}

}  // namespace

TEST_SUITE("servers: a server for tests") {
    TEST_CASE("it is started, asked, counted and stopped") {
        TestServer server{{}, hello};
        CHECK(server.address().port() != 0);
        CHECK(server.ask("") == "hello");
        CHECK(server.ask("", "default") == "hello");
        CHECK(server.metric("bullpen_connections_accepted_total") == 2);
        CHECK(server.metric("bullpen_connections_accepted_total", "pool=\"default\"") == 2);
        CHECK(server.metric("bullpen_connections_accepted_total", "pool=\"other\"") == 0);
        CHECK(server.metric("bullpen_connections_accepted") == 0);
        CHECK_THROWS_AS((void)server.address("other"), std::out_of_range);
        CHECK(server.stop() == 0);
        CHECK(server.stop() == 0);
        CHECK_THROWS_AS((void)server.connect(), std::system_error);
    }

    TEST_CASE("a test learns the addresses of many listeners") {
        Options options;
        options.listen.assign(15, "127.0.0.1:0");
        Server many;
        for (int i = 0; i < 20; ++i) {
            options.name = std::string(200, 'n') + std::to_string(i);
            options.limits = {.policy = SizingPolicy::fixed, .workers_start = 1, .workers_max = 1};
            many.add(options, hello);
        }
        TestServer server{std::move(many)};
        CHECK(server.bound().pools.size() == 300);
        CHECK(server.bound().metrics.size() == 1);
        CHECK(server.ask("", options.name) == "hello");
        CHECK(server.stop() == 0);
    }

    TEST_CASE("a handler of datagrams is asked by one, over UDP and a UNIX socket") {
        const auto handler = [](WorkerContext& worker) {
            return [pool = worker.pool](Datagram& datagram) {
                if (datagram.text() == "throw") throw std::runtime_error{"on purpose"};
                if (datagram.text() == "nothing") return;
                datagram.answer(pool + ": " + std::string{datagram.text()});
                datagram.answer("and once more");
            };
        };
        for (const std::string& listen :
             {std::string{"udp:127.0.0.1:0"}, "unixgram:@bullpen-testing-" + std::to_string(::getpid())}) {
            TestServer server{{.listen = {listen}}, handler};
            CHECK(server.address().type() == SOCK_DGRAM);
            CHECK(server.ask("hello") == "default: hello");
            const UniqueFd client = server.connect();
            for (const std::string_view text : {"throw", "nothing"})
                REQUIRE(::send(client.get(), text.data(), text.size(), 0) > 0);
            CHECK(server.ask("again") == "default: again");
            const auto count = [&](const char* outcome) {
                return server.metric("bullpen_datagrams_total", outcome);
            };
            CHECK(eventually([&] { return count("failed") + count("discarded") + count("answered") == 4; }));
            CHECK(count("failed") == 1);
            CHECK(count("discarded") == 1);
            const auto left = [&] {  // The socket of ask() is closed when the second answer comes.
                return server.metric("bullpen_datagrams_sent_total") +
                       server.metric("bullpen_datagrams_unsent_total");
            };
            CHECK(eventually([&] { return left() == 4; }));
            CHECK(server.stop() == 0);
        }
    }

    TEST_CASE("several run side by side, at UNIX sockets, too") {
        const std::string path = "/tmp/bullpen-testing-" + std::to_string(::getpid());
        const TestServer one{{}, hello};
        const TestServer other{{.listen = {"unix:" + path}}, hello};
        CHECK(one.ask("") == "hello");
        CHECK(other.ask("") == "hello");
        CHECK(other.address().text() == "unix:" + path);
    }

    TEST_CASE(
        "a server that doesn't start, or with a test that has a second thread, is told by an exception") {
        CHECK_THROWS_WITH_AS((TestServer{{.model = "nonsense"}, hello}),
                             "the server did not start; its exit status is 2", std::runtime_error);
#ifndef __SANITIZE_THREAD__
        std::atomic<bool> over{false};
        std::thread second{[&] { over.wait(false); }};
        CHECK_THROWS_AS((TestServer{{}, hello}), std::logic_error);
        over = true;
        over.notify_all();
        second.join();
#endif
    }

    TEST_CASE("one that a signal kills says so") {
        TestServer server{{}, hello};
        ::kill(server.pid(), SIGKILL);
        CHECK(server.wait() == 128 + SIGKILL);
    }
}
