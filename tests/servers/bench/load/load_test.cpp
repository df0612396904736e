#include "servers/bench/load/load.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "tests/servers/bench/load/load_server.hpp"

using namespace bullpen;

namespace {

long errors_of(const LoadResult& result, LoadError kind) {
    return result.errors[static_cast<std::size_t>(kind)];
}

}  // namespace

TEST_SUITE("cli: the load client") {
    TEST_CASE("every connection is made, answered and timed") {
        const ServerProcess server{answer_once};
        LoadResult result = run_load(server.load(http(), 500, 16));
        CHECK(result.connections == 500);
        CHECK(result.requests == 500);
        CHECK(result.latencies.count() == 500);
        CHECK(result.failed() == 0);
        CHECK_FALSE(result.cut_short);
        CHECK(result.wall_s > 0);
        CHECK(result.client_cpu_s > 0);
        CHECK(result.client_cpu_s <= result.wall_s * 1.1);
        CHECK(result.latencies.quantile_us(1000) <= result.wall_s * 1e6);
        const double longest_us = static_cast<double>(result.longest_wait_ns) / 1000;
        CHECK(longest_us == doctest::Approx(result.latencies.quantile_us(1000)).epsilon(0.01));
    }

    TEST_CASE("fewer connections than callers are all that are made") {
        const ServerProcess server{answer_once};
        const LoadResult result = run_load(server.load(http(), 3, 100));
        CHECK(result.connections == 3);
        CHECK(result.requests == 3);
    }

    TEST_CASE("a kept-alive connection makes its requests, then gives way to the next") {
        const ServerProcess server{[](Connection& client) {
            for (int i = 0; i < 10; ++i)
                answer_once(client);
        }};
        const LoadResult result = run_load(server.load(http(), 20, 4, 10));
        CHECK(result.connections == 20);
        CHECK(result.requests == 200);
        CHECK(result.reconnects == 0);
        CHECK(result.failed() == 0);
    }

    TEST_CASE("a server may close between two requests: the rest is asked on new connections") {
        const ServerProcess server{[](Connection& client) {
            for (int i = 0; i < 3; ++i)
                answer_once(client);
        }};
        const LoadResult result = run_load(server.load(http(), 4, 2, 9));
        CHECK(result.connections == 4);
        CHECK(result.requests == 36);
        CHECK(result.reconnects == 8);
        CHECK(result.failed() == 0);
    }

    TEST_CASE("an announced close is waited for") {
        const ServerProcess server{[](Connection& client) {
            if (read_request(client))
                client.write_all("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }};
        const LoadResult result = run_load(server.load(http(0), 2, 1, 3));
        CHECK(result.requests == 6);
        CHECK(result.reconnects == 4);
        CHECK(result.failed() == 0);
    }

    TEST_CASE("messages are echoed and compared, one or several on a connection") {
        const ServerProcess server{[](Connection& client) {
            std::array<std::byte, 1000> buffer;
            while (const std::size_t size = client.read_some(buffer))
                client.write_all(std::span{buffer}.first(size));
        }};
        for (const std::size_t size : {1, 128, 50'000}) {
            const LoadResult result = run_load(server.load(echo_dialogue(size), 50, 8, 5));
            CHECK(result.requests == 250);
            CHECK(result.failed() == 0);
        }
    }

    TEST_CASE("an answer in pieces is one answer") {
        const ServerProcess server{[](Connection& client) {
            if (!read_request(client)) return;
            for (const char byte : hello)
                client.write_all({&byte, 1});
        }};
        const LoadResult result = run_load(server.load(http(), 20, 4));
        CHECK(result.requests == 20);
        CHECK(result.failed() == 0);
    }

    TEST_CASE("an answer larger than the client's buffer is one answer") {
        const std::string body(1'000'000, 'x');
        const ServerProcess server{[&](Connection& client) {
            if (!read_request(client)) return;
            client.write_all("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\n\r\n");
            client.write_all(body);
        }};
        const LoadResult result = run_load(server.load(http(body.size()), 20, 4));
        CHECK(result.requests == 20);
        CHECK(result.failed() == 0);
    }

    TEST_CASE("a wrong answer is an error") {
        const ServerProcess server{answer_once};
        const LoadResult result = run_load(server.load(http(6), 10, 2));
        CHECK(result.requests == 0);
        CHECK(errors_of(result, LoadError::wrong_answer) == 10);
    }

    TEST_CASE("bytes after the last answer are an error") {
        const ServerProcess server{[](Connection& client) {
            if (read_request(client)) client.write_all(hello + "!");
        }};
        CHECK(errors_of(run_load(server.load(http(), 5)), LoadError::wrong_answer) == 5);
    }

    TEST_CASE("a server that doesn't end the connection in order has answered all the same, and once") {
        const auto leaves_open = [](Connection& client) {
            answer_each(client);  // Whatever Connection: close says.
        };
        const auto says_more = [](Connection& client) {
            if (!read_request(client)) return;
            client.write_all(hello);
            ::usleep(20'000);
            client.write_all("!");
        };
        const auto resets = [](Connection& client) {
            if (!read_request(client)) return;
            client.write_all(hello);
            ::usleep(20'000);
            constexpr linger at_once{.l_onoff = 1, .l_linger = 0};
            ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        };
        for (const std::function<void(Connection&)>& handler :
             {std::function<void(Connection&)>{leaves_open}, std::function<void(Connection&)>{says_more},
              std::function<void(Connection&)>{resets}}) {
            const ServerProcess server{handler};
            LoadOptions options = server.load(http(), 3);
            options.end_timeout = std::chrono::milliseconds{50};
            options.report_interval = std::chrono::milliseconds{10};
            const LoadResult result = run_load(options);
            CHECK(result.requests == 3);
            CHECK(result.connections == 3);
            CHECK(result.failed() == 0);
            CHECK(result.bad_ends == 3);
        }
    }

    TEST_CASE("an end that the server announces and doesn't keep costs a new connection, and no request") {
        const ServerProcess server{[](Connection& client) {
            while (read_request(client))
                client.write_all("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }};
        LoadOptions options = server.load(http(), 1, 1, 3);
        options.end_timeout = std::chrono::milliseconds{50};
        options.report_interval = std::chrono::milliseconds{10};
        const LoadResult result = run_load(options);
        CHECK(result.requests == 3);
        CHECK(result.failed() == 0);
        CHECK(result.reconnects == 2);
        CHECK(result.bad_ends == 3);
    }

    TEST_CASE("an end in the middle of an answer is an error, and so is one before it") {
        const ServerProcess halfway{[](Connection& client) {
            if (read_request(client)) client.write_all(hello.substr(0, 10));
        }};
        CHECK(errors_of(run_load(halfway.load(http(), 5)), LoadError::ended_early) == 5);
        const ServerProcess silent{[](Connection& client) { (void)read_request(client); }};
        CHECK(errors_of(run_load(silent.load(http(), 5, 1, 3)), LoadError::ended_early) == 5);
    }

    TEST_CASE("a reset is an error of its own") {
        const ServerProcess server{[](Connection& client) {
            if (!read_request(client)) return;
            constexpr linger at_once{.l_onoff = 1, .l_linger = 0};
            ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }};
        CHECK(errors_of(run_load(server.load(http(), 5)), LoadError::reset) == 5);
    }

    TEST_CASE("where nobody listens every connection is refused, and the load ends") {
        LoadOptions options;
        {
            const Listener gone = Listener::open(resolve("127.0.0.1:0").front(), {});
            options.server = gone.address();
        }
        options.classes = {{.dialogue = http()}};
        options.connections = 1000;
        options.concurrency = 10;
        const LoadResult result = run_load(options);
        CHECK(result.connections == 1000);
        CHECK(errors_of(result, LoadError::refused) == 1000);
    }

    TEST_CASE("a server that never answers costs one time-out a connection") {
        const ServerProcess server{[](Connection& client) {
            std::array<std::byte, 1000> buffer;
            while (client.read_some(buffer) > 0) {
            }
        }};
        LoadOptions options = server.load(http(), 4, 4);
        options.request_timeout = std::chrono::milliseconds{50};
        options.report_interval = std::chrono::milliseconds{10};
        const LoadResult result = run_load(options);
        CHECK(errors_of(result, LoadError::timed_out) == 4);
        CHECK(result.connections == 4);
        CHECK(result.longest_wait_ns >= 50'000'000);
        CHECK_FALSE(result.cut_short);
    }

    TEST_CASE("the time limit ends the load; what was begun then is not counted") {
        const ServerProcess server{[](Connection& client) {
            std::array<std::byte, 1000> buffer;
            while (client.read_some(buffer) > 0) {
            }
        }};
        LoadOptions options = server.load(http(), 4, 4);
        options.time_limit = std::chrono::milliseconds{50};
        options.report_interval = std::chrono::milliseconds{10};
        const LoadResult result = run_load(options);
        CHECK(result.cut_short);
        CHECK(result.connections == 0);
        CHECK(result.longest_wait_ns >= 30'000'000);
        CHECK(result.failed() == 0);
    }

    TEST_CASE("the load ends when it is told not to keep going") {
        const ServerProcess server{answer_once};
        LoadOptions options = server.load(http(), 100'000'000, 4);
        options.report_interval = std::chrono::milliseconds{1};
        options.keep_going = [](long ended) { return ended < 100; };
        const LoadResult result = run_load(options);
        CHECK(result.cut_short);
        CHECK(result.connections >= 100);
    }

    TEST_CASE("a server that is slow to close does not make its answer slow") {
        const ServerProcess server{[](Connection& client) {
            answer_once(client);
            ::usleep(50'000);
        }};
        LoadResult result = run_load(server.load(http(), 3));
        CHECK(result.requests == 3);
        CHECK(result.latencies.quantile_us(500) < 50'000);
        CHECK(result.wall_s >= 0.15);
    }

    TEST_CASE("the client leaves no descriptor open") {
        const ServerProcess server{answer_each};
        const UniqueFd before{::dup(0)};
        LoadOptions options = server.load(http(), 4, 4);
        options.time_limit = std::chrono::milliseconds{20};
        options.report_interval = std::chrono::milliseconds{5};
        run_load(options);
        const UniqueFd after{::dup(0)};
        CHECK(after.get() == before.get() + 1);
    }

    TEST_CASE("a duration ends the load, and what was begun by then is awaited") {
        const ServerProcess server{answer_each};
        LoadOptions options = server.load(http(), 0, 1, 0);
        options.duration = std::chrono::milliseconds{50};
        const LoadResult result = run_load(options);
        CHECK(result.requests > 0);
        CHECK(result.connections == 1);
        CHECK(result.failed() == 0);
        CHECK_FALSE(result.cut_short);
        CHECK(result.wall_s >= 0.05);
    }

    TEST_CASE("a number of requests ends the load, on as few connections as are kept alive") {
        const ServerProcess server{answer_each};
        LoadOptions options = server.load(http(), 0, 1, 0);
        options.requests = 321;
        const LoadResult result = run_load(options);
        CHECK(result.requests == 321);
        CHECK(result.connections == 1);
        CHECK(result.bytes == 321 * hello.size());
    }

    TEST_CASE("classes mix on a connection by their weights, and have latencies of their own") {
        const ServerProcess server{[](Connection& client) {
            for (std::string request; !(request = read_head(client)).empty();) {
                if (request.find("/slow") != std::string::npos) ::usleep(20'000);
                client.write_all(hello);
            }
        }};
        LoadOptions options = server.load(http(), 0, 1, 0);
        options.requests = 300;
        options.classes = {{.name = "fast", .dialogue = http(), .weight = 49},
                           {.name = "slow", .dialogue = http_dialogue("localhost", "/slow", 5)},
                           {.name = "fast", .dialogue = http(), .weight = 50}};
        const LoadResult result = run_load(options);
        REQUIRE(result.classes.size() == 2);
        CHECK(result.classes[0].name == "fast");
        CHECK(result.classes[0].requests == 297);
        CHECK(result.classes[1].requests == 3);
        CHECK(result.classes[1].latencies.quantile_us(1) >= 20'000);
        CHECK(result.classes[0].latencies.quantile_us(500) < 20'000);
        CHECK(result.latencies.count() == 300);
        CHECK(result.connections == 1);
    }

    TEST_CASE("a stall shows in the open loop's latencies, and hardly in the closed loop's") {
        const auto stall_once = [](Connection& client) {
            for (int i = 0; read_request(client); ++i) {
                if (i == 20) ::usleep(300'000);
                client.write_all(hello);
            }
        };
        const ServerProcess server{stall_once};
        LoadOptions options = server.load(http(), 0, 1, 0);
        options.requests = 200;
        CHECK(run_load(options).latencies.quantile_us(990) < 300'000);
        options.rate = 400;  // 120 are due during the stall.
        const LoadResult open = run_load(options);
        CHECK(open.requests == 200);
        CHECK(open.latencies.quantile_us(1000) >= 300'000);
        CHECK(open.latencies.quantile_us(700) >= 100'000);
        CHECK(open.wall_s >= 0.49);
    }

    TEST_CASE("an open loop opens a connection for each request, at most so many at once") {
        const ServerProcess server{[](Connection& client) {
            answer_once(client);
            ::usleep(2'000);
        }};
        LoadOptions options = server.load(http(), 50, 2);
        options.rate = 10'000;
        const LoadResult result = run_load(options);
        CHECK(result.requests == 50);
        CHECK(result.connections == 50);
        CHECK(result.latencies.quantile_us(1000) >= 80'000);  // The last one's wait counts.
        CHECK(result.lateness.count() == 50);
    }

    TEST_CASE("a resting connection that the server closes is opened again") {
        const ServerProcess server{[](Connection& client) {
            for (int i = 0; i < 3; ++i)
                answer_once(client);
        }};
        LoadOptions options = server.load(http(), 0, 1, 0);
        options.requests = 30;
        options.rate = 1'000;
        const LoadResult result = run_load(options);
        CHECK(result.requests == 30);
        CHECK(result.failed() == 0);
        CHECK(result.connections + result.reconnects == 10);
    }

    TEST_CASE(
        "connections that rest are closed when no request is due any more: others may wait for the server") {
        const ServerProcess server{answer_each};
        LoadOptions options = server.load(http(), 0, 4, 0);
        options.requests = 4;
        options.rate = 1'000;
        const LoadResult result = run_load(options);
        CHECK(result.requests == 4);
        CHECK(result.connections == 4);
        CHECK(result.failed() == 0);
    }

    TEST_CASE("each request that was due is answered or an error, when the server never answers") {
        const ServerProcess server{[](Connection& client) {
            std::array<std::byte, 1000> buffer;
            while (client.read_some(buffer) > 0) {
            }
        }};
        LoadOptions options = server.load(http(), 0, 3);
        options.duration = std::chrono::milliseconds{100};
        options.rate = 1'000;
        options.request_timeout = std::chrono::milliseconds{200};
        options.report_interval = std::chrono::milliseconds{10};
        const LoadResult result = run_load(options);
        CHECK(result.requests == 0);
        CHECK(result.failed() == 100);
        CHECK(errors_of(result, LoadError::timed_out) >= 3);
        CHECK(errors_of(result, LoadError::unsent) > 0);
        CHECK(result.longest_wait_ns >= 200'000'000);
    }

    TEST_CASE("a slow sender sends its request in pieces, and a failure in between is survived") {
        const ServerProcess server{answer_once};
        LoadOptions options = server.load(http(), 3, 3);
        options.slow_send = {.bytes = 10, .interval = std::chrono::milliseconds{2}};
        const LoadResult result = run_load(options);
        CHECK(result.requests == 3);
        const double pieces = static_cast<double>(http().last_request.size()) / 10;
        CHECK(result.latencies.quantile_us(1) >= (pieces - 1) * 2'000);

        const ServerProcess hasty{[](Connection&) {}};
        options = hasty.load(http(), 20, 4);
        options.slow_send = {.bytes = 1, .interval = std::chrono::milliseconds{1}};
        const LoadResult broken = run_load(options);
        CHECK(broken.connections == 20);
        CHECK(broken.failed() == 20);
    }

    TEST_CASE("a client thinks between two requests, and the server may close meanwhile") {
        const ServerProcess server{[](Connection& client) {
            for (int i = 0; i < 2; ++i)
                answer_once(client);
        }};
        LoadOptions options = server.load(http(), 2, 1, 4);
        options.think_time = std::chrono::milliseconds{10};
        const LoadResult result = run_load(options);
        CHECK(result.requests == 8);
        CHECK(result.failed() == 0);
        CHECK(result.reconnects == 2);
        CHECK(result.wall_s >= 0.06);
    }

    TEST_CASE("where any status will do, a bad one is an error, and the connection goes on") {
        const ServerProcess server{[](Connection& client) {
            for (int i = 0; read_request(client); ++i)
                client.write_all(i % 2 == 0 ? std::string_view{hello}
                                            : "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n");
        }};
        LoadOptions options = server.load(http_dialogue(LoadRequest{.host = "x"}), 1, 1, 10);
        const LoadResult result = run_load(options);
        CHECK(result.requests == 5);
        CHECK(result.connections == 1);
        CHECK(result.reconnects == 0);
        CHECK(errors_of(result, LoadError::bad_status) == 5);
        CHECK(result.statuses == std::map<int, long>{{200, 5}, {503, 5}});
    }

    TEST_CASE("what comes until the server closes can be the answer") {
        const std::string day(100'000, 'd');
        const ServerProcess server{[&](Connection& client) { client.write_all(day); }};
        const LoadResult result = run_load(server.load(until_end_dialogue("?"), 5, 2));
        CHECK(result.requests + result.failed() == 5);
        CHECK(result.bytes == 5 * day.size());
    }
}
