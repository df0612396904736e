#include "servers/models/models.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cstdio>
#include <filesystem>
#include <set>
#include <stdexcept>

#include <bullpen/async_connection.hpp>
#include <bullpen/serve.hpp>
#include "tests/contains.hpp"
#include "tests/end_of_program.hpp"
#include "tests/pool/running_master.hpp"

using namespace bullpen;

namespace {

/// What the message tells a handler to do.
std::string_view obey(std::string_view message) {
    if (message == "throw") throw std::runtime_error{"on purpose"};
    if (message == "throw 7") throw 7;
    if (message == "exit") ::_exit(0);
    return message;
}

void obedient(Connection& client) {
    std::array<std::byte, 64> buffer;
    const std::size_t size = client.read_some(buffer);
    client.write_all(obey({reinterpret_cast<const char*>(buffer.data()), size}));
}

boost::asio::awaitable<void> obedient_async(AsyncConnection& client) {
    std::array<std::byte, 64> buffer;
    const std::size_t size = co_await client.read_some(buffer);
    co_await client.write_all(obey({reinterpret_cast<const char*>(buffer.data()), size}));
}

template <typename Form>
Ended try_to_serve(Options options, Form handler) {
    return end_of_program([&] { return serve(options, std::move(handler)); });
}

}  // namespace

TEST_SUITE("servers: the models") {
    TEST_CASE("each has a name of its own, and says what it is, what a crash takes and when to choose it") {
        std::set<std::string_view> names;
        for (const Model& model : models()) {
            CAPTURE(model.name);
            CHECK(names.insert(model.name).second);
            CHECK(find_model(model.name) == &model);
            CHECK(!model.summary.empty());
            CHECK(!model.crash_takes.empty());
            CHECK(!model.choose_when.empty());
            CHECK((model.work != nullptr) == (model.form != Form::program));
        }
        CHECK(find_model("Prefork") == nullptr);
    }

    TEST_CASE("in each a handler that throws ends its connection, and one that exits its worker") {
        for (const Model& model : models()) {
            if (model.form == Form::program) continue;
            CAPTURE(model.name);
            PoolOptions pool = pool_of(2, obedient, model);
            pool.async_handler = obedient_async;
            RunningMaster master{{pool}};
            CHECK(master.ask("hello") == "hello");
            const auto spawns = master.board().header().spawns.load();
            CHECK(master.ask("throw").empty());
            CHECK(master.ask("throw 7").empty());
            CHECK(eventually([&] { return master.totals().failed == 2; }));
            CHECK(master.ask("hello") == "hello");
            if (model.delivery != Delivery::fork)
                CHECK(master.board().header().spawns <= std::max<std::uint64_t>(2, spawns));
            // Else the exit of a process with several threads takes what another has closed but not counted
            // yet.
            REQUIRE(eventually([&] { return at_rest(master.totals()) && master.totals().completed == 2; }));
            CHECK(master.ask("exit").empty());
            CHECK(eventually([&] { return master.totals().lost == 1; }));
            CHECK(master.board().header().lost[static_cast<std::size_t>(ExitReason::exited)] +
                      master.board().header().lost[static_cast<std::size_t>(ExitReason::retired)] ==
                  1);
            CHECK(master.ask("hello") == "hello");
            CHECK(eventually([&] { return at_rest(master.totals()) && master.totals().completed == 3; }));
            CHECK(master.totals().unaccounted() == 0);
            CHECK(master.stop() == 0);
        }
    }

    TEST_CASE("a library's user who chooses what can't be gets status 2 and one sentence") {
        const auto blocking = [](Connection&) {};
        const auto said = [](const Ended& ended, const char* words) {
            CAPTURE(ended.said);
            CHECK(ended.status == 2);
            CHECK(ended.is_one_sentence());
            CHECK(contains(ended.said, words));
        };
        said(try_to_serve({.model = "nonsense"}, Handler{blocking}), "there is no model 'nonsense'");
        said(try_to_serve({.model = "event"}, Handler{blocking}),
             "model event doesn't run this kind of handler");
        said(try_to_serve({.model = "inetd"}, Handler{blocking}),
             "model inetd doesn't run this kind of handler");
        said(try_to_serve({.model = "prefork"}, AsyncHandler{obedient_async}), "model prefork doesn't");
        said(try_to_serve({.model = "event"}, Program{{"/bin/cat"}}), "model event doesn't");
        said(try_to_serve({.model = "prethread", .threads = 2}, Handler{blocking}),
             "threads goes with model prefork");
        const std::string path = std::filesystem::temp_directory_path() / "bullpen-models-test.sock";
        said(try_to_serve({.listen = {"unix:" + path}, .model = "prefork-reuseport"}, Handler{blocking}),
             "needs TCP listeners");
        CHECK(!std::filesystem::exists(path));
        said(try_to_serve({.listen = {"nonsense"}}, Handler{blocking}), "nonsense");
        said(try_to_serve({.listen = {"udp:127.0.0.1:0"}}, Handler{blocking}),
             "listen: 'udp:127.0.0.1:0' is for datagrams, and the handler for connections");
        said(try_to_serve({}, DatagramHandler{[](Datagram&) {}}),
             "listen: '127.0.0.1:8080' is for connections, and the handler for datagrams");
        said(try_to_serve({.listen = {"udp:127.0.0.1:0"}}, DatagramHandler{}),
             "handler: expected a function, got an empty one");
        said(try_to_serve({.listen = {"127.0.0.1:0"}, .limits = {.workers_max = 0}}, Handler{blocking}),
             "workers_max");
        said(try_to_serve({.listen = {"127.0.0.1:0"}, .threads = 0}, Handler{blocking}), "threads");
        said(try_to_serve({.listen = {"127.0.0.1:0"}, .model = "event", .capacity = 0},
                          AsyncHandler{obedient_async}),
             "capacity");
    }
}
