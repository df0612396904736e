#include <bullpen/messages.hpp>

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <vector>

#include <bullpen/testing.hpp>
#include "servers/models/models.hpp"

using namespace bullpen;
using bullpen::testing::TestServer;

namespace {

void bracket(Connection& client, std::string_view line) {
    client.write_all("[" + std::string{line} + "]");
}

Options one_worker(std::string_view model = "prefork") {
    Options options;
    options.model = model;
    options.limits = {.policy = SizingPolicy::fixed, .workers_start = 1, .workers_max = 1};
    return options;
}

void send_all(const UniqueFd& client, std::string_view bytes) {
    REQUIRE(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
}

/// What comes until there are so many bytes, or the end.
std::string receive(const UniqueFd& client, std::size_t size) {
    std::string all;
    char buffer[4096];
    while (all.size() < size) {
        const ssize_t came = ::recv(client.get(), buffer, std::min(sizeof buffer, size - all.size()), 0);
        if (came <= 0) break;
        all.append(buffer, static_cast<std::size_t>(came));
    }
    return all;
}

std::string frame(std::size_t length_bytes, const std::string& content) {
    std::string bytes;
    for (std::size_t i = length_bytes; i > 0; --i)
        bytes += static_cast<char>(content.size() >> (8 * (i - 1)) & 0xff);
    return bytes + content;
}

}  // namespace

TEST_SUITE("core: handlers of messages") {
    TEST_CASE("in every model each line comes whole and once, whatever the pieces in which it is sent") {
        const std::string lines = "one\ntwo\r\n\nfo\rur\n" + std::string(3000, 'x') + "\nlost";
        const std::string answer = "[one][two][][fo\rur][" + std::string(3000, 'x') + "]";
        for (const Model& model : models()) {
            if (model.form != Form::blocking) continue;
            CAPTURE(model.name);
            const TestServer server{one_worker(model.name), by_lines(bracket)};
            CHECK(server.ask(lines) == answer);
            for (const std::size_t piece : {1UL, 2UL, 7UL}) {
                const UniqueFd client = server.connect();
                for (std::size_t begin = 0; begin < 20; begin += piece) {
                    send_all(client, std::string_view{lines}.substr(begin, std::min(piece, 20 - begin)));
                    std::this_thread::yield();
                }
                send_all(client, std::string_view{lines}.substr(20));
                CHECK(receive(client, answer.size()) == answer);
            }
        }
    }

    TEST_CASE("half a line holds no worker, and goes on where it was") {
        const TestServer server{one_worker(), by_lines(bracket)};
        std::vector<UniqueFd> slow;
        for (int i = 0; i < 50; ++i) {
            slow.push_back(server.connect());
            send_all(slow.back(), "hal");
        }
        for (int i = 0; i < 20; ++i)
            CHECK(server.ask("quick\n") == "[quick]");
        for (const UniqueFd& client : slow)
            send_all(client, "f\n");
        for (const UniqueFd& client : slow)
            CHECK(receive(client, 6) == "[half]");
    }

    TEST_CASE("a line must be complete in time, and no longer than it may be") {
        Options options = one_worker();
        options.time_limits.header = std::chrono::milliseconds{200};
        const TestServer server{options, by_lines(bracket, {.longest = 10, .too_long = "too long"})};
        CHECK(server.ask("12345678\r\n") == "[12345678]");
        CHECK(server.ask("1\n123456789\n") == "[1][123456789]");
        CHECK(server.ask("1234567890\n") == "too long");
        CHECK(server.ask("1\n" + std::string(100'000, 'x')) == "[1]too long");
        const UniqueFd client = server.connect();
        send_all(client, "1\n2");
        CHECK(receive(client, 100) == "[1]");
        CHECK(server.metric("bullpen_connections_timed_out_total", "limit=\"header\"") == 1);
    }

    TEST_CASE("a client whose line is too long keeps its answer, and its worker only for moments") {
        Options options = one_worker();
        options.time_limits.linger = options.time_limits.linger_total = std::chrono::minutes{1};
        TestServer server{options, by_lines(bracket, {.longest = 10, .too_long = "too long"})};
        const UniqueFd talker = server.connect();
        send_all(talker, std::string(100'000, 'x'));
        CHECK(receive(talker, 100) == "too long");  // Up to the server's end; a reset would destroy it.
        const UniqueFd next = server.connect();
        send_all(next, "1\n");
        CHECK(receive(next, 3) == "[1]");
        send_all(talker, std::string(100'000, 'x') + "\nline\n");  // Heard, and no line any more.
        ::shutdown(talker.get(), SHUT_WR);
        CHECK(receive(talker, 100).empty());
        ::shutdown(next.get(), SHUT_WR);
        CHECK(receive(next, 100).empty());
        CHECK(server.stop() == 0);
    }

    TEST_CASE("frames of each length come whole and once, empty ones, too") {
        const auto check = [](std::size_t length_bytes, Handler handler) {
            CAPTURE(length_bytes);
            const TestServer server{one_worker(), std::move(handler)};
            const std::string all = frame(length_bytes, "one") + frame(length_bytes, "") +
                                    frame(length_bytes, std::string(100, 'x')) +
                                    frame(length_bytes, "no more");
            const std::string answer = "3 0 100 ";
            CHECK(server.ask(all) == answer);
            const UniqueFd client = server.connect();
            for (const char byte : all.substr(0, all.size() - 3)) {
                send_all(client, {&byte, 1});
                std::this_thread::yield();
            }
            CHECK(receive(client, answer.size()) == answer);
        };
        const auto sizes = [](Connection& client, std::span<const std::byte> bytes) {
            if (bytes.size() == 7) return Next::close;
            client.write_all(std::to_string(bytes.size()) + " ");
            return Next::await_input;
        };
        check(1, by_frames<1>(sizes));
        check(2, by_frames<2>(sizes));
        check(4, by_frames(sizes));
        const TestServer server{one_worker(), by_frames(sizes, {.longest = 104, .too_long = "too long"})};
        CHECK(server.ask(frame(4, std::string(100, 'x'))) == "100 ");
        CHECK(server.ask(frame(4, "1") + frame(4, std::string(101, 'x'))) == "1 too long");
        CHECK(server.ask("\xff\xff\xff\xff") == "too long");
    }
}
