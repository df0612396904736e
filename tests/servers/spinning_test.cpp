// A handler that returns Next::await_input and takes nothing, in every model.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/messages.hpp>
#include <bullpen/testing.hpp>

using namespace bullpen;
using bullpen::testing::TestServer;

namespace {

Next spin(Connection&) {
    return Next::await_input;
}

std::vector<Options> blocking_models() {
    std::vector<Options> all;
    for (const char* const model :
         {"prefork", "prefork-accept", "prethread", "prethread-accept", "thread", "fork", "iterative"})
        all.push_back({.model = model, .limits = {.workers_start = 1}});
    all.push_back({.model = "prefork", .limits = {.workers_start = 1}, .threads = 2});
    return all;
}

void say(const UniqueFd& client, std::string_view text) {
    REQUIRE(::send(client.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
}

std::string answer(const UniqueFd& client, std::size_t size) {
    std::string got(size, '\0');
    const ssize_t read = ::recv(client.get(), got.data(), size, MSG_WAITALL);
    got.resize(read > 0 ? static_cast<std::size_t>(read) : 0);
    return got;
}

/// Where workers accept, one counts a connection after its end.
double failed_after_waiting(const TestServer& server, double wanted) {
    const auto failed = [&] {
        return server.metric("bullpen_connections_completed_total", "outcome=\"error\"");
    };
    for (const auto until = Clock::now() + std::chrono::seconds{10};
         failed() < wanted && Clock::now() < until;)
        std::this_thread::yield();
    return failed();
}

}  // namespace

TEST_SUITE("servers: handlers that come no further") {
    TEST_CASE("one that spins loses its client, counted as failed, and serves the next") {
        for (const Options& options : blocking_models()) {
            CAPTURE(options.model);
            TestServer server{options, spin};
            for (int i = 0; i < 2; ++i) {
                const UniqueFd client = server.connect();
                say(client, "x");
                CHECK(answer(client, 1).empty());
            }
            CHECK(failed_after_waiting(server, 2) == 2);
            CHECK(server.stop() == 0);
        }
    }

    TEST_CASE("a client that sends its lines byte by byte is never taken for one") {
        for (const Options& options : blocking_models()) {
            CAPTURE(options.model);
            TestServer server{options, by_lines([](Connection& client, std::string_view line) {
                                  client.write_all(std::string{line} + "\n");
                              })};
            const UniqueFd client = server.connect();
            const std::string line = "a line that has more bytes than a handler has idle turns\n";
            for (const char byte : line)
                say(client, std::string_view{&byte, 1});
            CHECK(answer(client, line.size()) == line);
            CHECK(server.stop() == 0);
        }
    }
}
