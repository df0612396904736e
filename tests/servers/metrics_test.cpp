#include <bullpen/metrics.hpp>

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include <bullpen/serve.hpp>
#include <bullpen/testing.hpp>

using namespace bullpen;
using bullpen::testing::TestServer;

namespace {

/// Counts what the client says, in the ways that there are.
void serve_words(Connection& client) {
    static const Counter words{"words_total", "Words.", "word"};
    static const Gauge now{"words_now", "Words being said."};
    std::array<std::byte, 100> buffer;
    const std::size_t size = client.read_some(buffer);
    const std::string word{reinterpret_cast<const char*>(buffer.data()), size};
    words.with(word).add();
    now.add();
    if (word == "thread") std::thread{[&] { words.with(word).add(10); }}.join();
    if (word == "fork") {
        const pid_t child = ::fork();
        if (child == 0) {
            words.with(word).add(100);
            now.add();
            std::_Exit(0);
        }
        ::waitpid(child, nullptr, 0);
    }
    if (word == "crash") ::kill(::getpid(), SIGKILL);
    if (word == "many")
        for (int i = 0; i < 10'000; ++i)
            words.with(std::to_string(i)).add();
    now.subtract();
    client.write_all(word);
}

double words(const TestServer& server, const std::string& word) {
    return server.metric("words_total", "word=\"" + word + "\"");
}

}  // namespace

TEST_SUITE("servers: metrics of one's own") {
    TEST_CASE("what handlers count in any thread is on /metrics, and survives their deaths") {
        for (const char* model : {"prefork", "prethread", "prefork-accept", "fork", "iterative"}) {
            CAPTURE(model);
            TestServer server{{.model = model, .limits = {.workers_start = 1}}, serve_words};
            for (int i = 0; i < 3; ++i)
                CHECK(server.ask("hello") == "hello");
            CHECK(server.ask("thread") == "thread");
            CHECK(server.ask("fork") == "fork");
            CHECK(words(server, "hello") == 3);
            CHECK(words(server, "thread") == 11);
            CHECK(words(server, "fork") == 1);
            CHECK(server.metric("words_now") == 0);
            const bool survives = std::string_view{model} != "iterative";
            if (survives) {
                CHECK(server.ask("crash").empty());
                CHECK(server.ask("hello") == "hello");
                CHECK(words(server, "crash") == 1);
                CHECK(words(server, "hello") == 4);
                CHECK(server.metric("words_now") == 0);  // What the crash has left went with its worker.
            }
            CHECK(server.metric("bullpen_metric_series_refused_total") == 0);
            CHECK(server.ask("many") == "many");
            CHECK(server.metric("bullpen_metric_series_refused_total") > 9'000);
            CHECK(server.stop() == 0);
        }
    }

    TEST_CASE("metrics_kib 0 counts nothing") {
        TestServer server{{.limits = {.workers_start = 1}, .metrics_kib = 0}, serve_words};
        CHECK(server.ask("hello") == "hello");
        CHECK(server.metric("words_total") == 0);
        CHECK(server.metric("bullpen_metric_series_refused_total") == 0);
    }

    TEST_CASE("a wrong definition before serve() is told by serve(), in a worker by its exception") {
        TestServer server{{}, [](Connection& client) {
                              static const Counter wrong{"wrong", "Its name lacks _total."};
                              client.write_all("never");
                          }};
        CHECK(server.ask("").empty());
        CHECK(server.metric("bullpen_connections_completed_total", "outcome=\"error\"") == 1);
        const pid_t child = ::fork();
        if (child == 0) {
            (void)std::freopen("/dev/null", "w", stderr);
            const Counter wrong{"wrong", "No _total."};
            std::_Exit(serve({.listen = {"127.0.0.1:0"}}, [](Connection&) {}));
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        CHECK(WEXITSTATUS(status) == 2);
    }
}
