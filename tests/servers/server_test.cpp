#include <bullpen/server.hpp>

#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <bullpen/async_connection.hpp>
#include <bullpen/orders.hpp>
#include <bullpen/serve.hpp>
#include <bullpen/testing.hpp>
#include "core/shared_array.hpp"
#include "servers/models/models.hpp"
#include "tests/contains.hpp"
#include "tests/end_of_program.hpp"

using namespace bullpen;
using bullpen::testing::TestServer;

namespace {

void hello(Connection& client) {
    client.write_all("hello");
}

boost::asio::awaitable<void> hello_async(AsyncConnection& client) {
    co_await client.write_all("hello");
}

/// Some workers of that model, whatever makes their number there.
Options some_of(const Model& model) {
    Options options;
    options.model = model.name;
    options.limits = {.workers_start = 2, .workers_max = 4, .spare_min = 1};
    return options;
}

Server server_of(const Options& options, Form form) {
    Server server;
    if (form == Form::blocking) server.add(options, hello);
    if (form == Form::asynchronous) server.add(options, hello_async);
    return server;
}

/// What the processes of a server count.
using Counts = SharedArray<std::atomic<int>>;

/// `to` is reached, by whichever process, within 10 s.
bool comes_to(const std::atomic<int>& count, int to) {
    for (int looks = 0; looks < 1000 && count < to; ++looks)
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    return count >= to;
}

std::string readiness(const TestServer& server) {
    return server.ask_metrics("/readyz");
}

}  // namespace

TEST_SUITE("servers: a server of several pools") {
    TEST_CASE("pools of all forms run under one master") {
        TestServer server{std::move(Server{}
                                        .add({.name = "blocking"}, hello)
                                        .add({.name = "coroutines", .model = "prefork-event"}, hello_async)
                                        .add({.name = "program", .model = "inetd"}, Program{{"/bin/cat"}}))};
        CHECK(server.ask("", "blocking") == "hello");
        CHECK(server.ask("", "coroutines") == "hello");
        CHECK(server.ask("miaow", "program") == "miaow");
        CHECK(server.stop() == 0);
    }

    TEST_CASE("what is wrong is one sentence, which names the pool if there are several") {
        const auto said = [](Server server, const std::string& sentence) {
            const Ended ended = end_of_program([&] { return server.run(); });
            CAPTURE(ended.said);
            CHECK(ended.status == 2);
            CHECK(ended.is_one_sentence());
            CHECK(contains(ended.said, sentence));
        };
        said({}, "the server has no pool");
        said(std::move(Server{}.add({}, hello).add({}, hello)), "two pools are called 'default'");
        said(std::move(Server{}.add({}, hello).add({.name = "b", .threads = 0}, hello)), "pool b: threads");
        said(std::move(Server{}.add({}, hello).add({.name = "b", .model = "event"}, hello)),
             "pool b: model event doesn't run this kind of handler");
        said(std::move(Server{}
                           .add({.pid_file = "/tmp/one"}, hello)
                           .add({.name = "b", .pid_file = "/tmp/other"}, hello)),
             "pid_file: it is the whole server's");
        const auto ready = [](const BoundAddresses&) {};
        said(std::move(Server{}.add({.on_ready = ready}, hello).add({.name = "b", .on_ready = ready}, hello)),
             "on_ready: it is the whole server's");
        said(std::move(Server{}.add({.model = "inetd", .on_worker_stop = [](WorkerContext&) {}},
                                    Program{{"/bin/cat"}})),
             "on_worker_start and on_worker_stop can't go with model inetd");
    }

    TEST_CASE("it isn't started beside a second thread") {
#ifndef __SANITIZE_THREAD__
        const Ended ended = end_of_program([] {
            std::atomic<bool> over{false};
            std::thread second{[&] { over.wait(false); }};
            const int status = serve({.listen = {"127.0.0.1:0"}}, hello);
            over = true;
            over.notify_all();
            second.join();
            return status;
        });
        CHECK(ended.status == 2);
        CHECK(ended.is_one_sentence());
        CHECK(contains(ended.said, "a second thread"));
#endif
    }

    TEST_CASE("in every model the hooks run once in each worker, at its start and its end") {
        for (const Model& model : models()) {
            if (model.form == Form::program) continue;
            CAPTURE(model.name);
            Counts counts{2};
            Options options = some_of(model);
            options.on_worker_start = [&](WorkerContext& worker) { counts[0] += worker.pool == "default"; };
            options.on_worker_stop = [&](WorkerContext& worker) { counts[1] += worker.pool == "default"; };
            TestServer server{server_of(options, model.form)};
            CHECK(server.ask("") == "hello");
            CHECK(server.stop() == 0);
            CHECK(counts[0] > 0);
            CHECK(counts[1] == counts[0]);
        }
    }

    TEST_CASE("in every model a hook that throws is said by /readyz, and the next worker may start") {
        for (const Model& model : models()) {
            if (model.form == Form::program || model.delivery == Delivery::fork) continue;
            CAPTURE(model.name);
            Counts fails{1};
            fails[0] = 1;
            Options options = some_of(model);
            options.on_worker_start = [&](WorkerContext&) {
                if (fails[0] != 0) throw std::runtime_error{"no data\nbase"};
            };
            TestServer server{server_of(options, model.form)};
            std::string said;
            while (!contains(said = readiness(server), "on_worker_start"))
                CHECK(contains(said, "503"));
            CHECK(contains(said, "the last one didn't start: on_worker_start: no data\\x0abase."));
            fails[0] = 0;
            CHECK(server.ask("") == "hello");
            while (!contains(readiness(server), "200"))
                std::this_thread::yield();
        }
    }

    TEST_CASE("each worker makes a handler of its own, which need not be copyable") {
        for (const Model& model : models()) {
            if (model.form != Form::blocking) continue;
            CAPTURE(model.name);
            Counts made{1};
            auto make = [&, counter = std::make_unique<int>(0)](WorkerContext& worker) {
                ++made[0];
                return [slot = std::make_unique<std::uint32_t>(worker.slot),
                        calls = 0](Connection& client) mutable {
                    client.write_all(std::to_string(*slot) + " " + std::to_string(++calls));
                };
            };
            TestServer server{some_of(model), std::move(make)};
            CHECK(contains(server.ask(""), " 1"));
            CHECK(made[0] > 0);
        }
    }

    TEST_CASE("threads of one process have handlers of their own") {
        Counts made{1};
        Options options;
        options.threads = 4;
        options.limits = {.policy = SizingPolicy::fixed, .workers_start = 8, .workers_max = 8};
        TestServer server{options, [&](WorkerContext&) {
                              ++made[0];
                              return Handler{hello};
                          }};
        CHECK(comes_to(made[0], 8));
        CHECK(server.ask("") == "hello");
        CHECK(server.stop() == 0);
        CHECK(made[0] == 8);
    }

    TEST_CASE("a maker that throws is a death at the start; another worker tries again") {
        Counts tries{1};
        TestServer server{{}, [&](WorkerContext&) {
                              if (++tries[0] < 3) throw std::runtime_error{"not yet"};
                              return Handler{hello};
                          }};
        CHECK(server.ask("") == "hello");
        CHECK(server.metric("bullpen_worker_exits_total", "reason=\"start\"") == 2);
    }

    TEST_CASE("what a worker has printed arrives") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const UniqueFd reading{ends[0]};
        UniqueFd writing{ends[1]};
        const Ended ended = end_of_program([&] {
            ::dup2(writing.get(), STDOUT_FILENO);
            std::setvbuf(stdout, nullptr, _IOFBF, 4096);
            std::printf("once ");
            Options options;
            options.listen = {"127.0.0.1:0"};
            options.limits = {.policy = SizingPolicy::fixed, .workers_start = 1, .workers_max = 1};
            options.on_worker_start = [](WorkerContext&) {
                std::printf("started ");
                stop();
            };
            return serve(options, hello);
        });
        writing.reset();
        char buffer[256];
        const ssize_t size = ::read(reading.get(), buffer, sizeof buffer);
        CHECK(ended.status == 0);
        CHECK(std::string{buffer, size > 0 ? static_cast<std::size_t>(size) : 0} == "once started ");
    }

    TEST_CASE("stop() stops the server, from a handler and from a thread of a worker") {
        for (const Model& model : models()) {
            if (model.form != Form::blocking) continue;
            for (const bool by_thread : {false, true}) {
                CAPTURE(model.name);
                CAPTURE(by_thread);
                const auto handler = [&](Connection& client) {
                    if (by_thread)
                        std::thread{stop}.join();
                    else
                        stop();
                    client.write_all("bye");
                };
                TestServer server{some_of(model), handler};
                CHECK(server.ask("") == "bye");
                CHECK(server.wait() == 0);
            }
        }
        stop();  // Of nothing.
    }

    TEST_CASE("on_ready says what was bound, may block, and what it throws ends nothing") {
        Counts counts{2};
        Options options;
        options.listen = {"127.0.0.1:0", "127.0.0.1:0"};
        options.on_ready = [&](const BoundAddresses& bound) {
            counts[1] = bound.pools.at(1).address.port();
            counts[0] = bound.pools.at(0).address.port();
            throw std::runtime_error{"on purpose"};
        };
        TestServer server{options, hello};
        REQUIRE(comes_to(counts[0], 1));
        CHECK(counts[0] == server.bound().pools.at(0).address.port());
        CHECK(counts[1] == server.bound().pools.at(1).address.port());
        CHECK(server.ask("") == "hello");
        CHECK(server.stop() == 0);

        options.on_ready = [](const BoundAddresses&) { ::pause(); };
        CHECK(TestServer{options, hello}.stop() == 0);
    }

    TEST_CASE("reload() in a handler makes the server again, and is refused where that can't be") {
        Counts made{1};
        const auto make = [&] {
            const std::string says = "made " + std::to_string(++made[0]);
            Server server;
            server.add({}, [says](Connection& client) {
                reload();
                client.write_all(says);
            });
            return server;
        };
        TestServer server{make};
        for (std::string said = "made 1"; said != "made 5"; said = server.ask(""))
            REQUIRE((said == "made 1" || said == "made 3" || said == "made 5"));
        CHECK(server.stop() == 0);

        TestServer fixed{{}, [](Connection& client) {
                             reload();
                             client.write_all("hello");
                         }};
        CHECK(fixed.ask("") == "hello");
        CHECK(fixed.ask("") == "hello");
        CHECK(fixed.stop() == 0);
        reload();  // Of nothing.
    }

    TEST_CASE("a reload makes the server again: other options, other pools, other handlers") {
        Counts made{1};
        const auto make = [&] {
            const std::string says = "made " + std::to_string(++made[0]);
            if (made[0] == 4) throw std::invalid_argument{"the fourth is wrong"};
            Server server;
            server.add({.name = "a"}, [says](Connection& client) { client.write_all(says); });
            return server;
        };
        TestServer server{make};
        CHECK(server.ask("") == "made 1");
        ::kill(server.pid(), SIGHUP);  // Made by the child that checks it, and by the server.
        for (std::string said = "made 1"; said != "made 3"; said = server.ask(""))
            REQUIRE((said == "made 1" || said == "made 3"));
        ::kill(server.pid(), SIGHUP);
        while (server.metric("bullpen_config_last_reload_successful") != 0)
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
        CHECK(server.ask("") == "made 3");
        CHECK(server.stop() == 0);
    }
}
