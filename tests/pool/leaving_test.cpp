/// Workers that are told to leave, alone or with the whole server, and the clients they have then.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include <bullpen/async_connection.hpp>
#include "tests/pool/every_model.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;
using std::chrono::milliseconds;

namespace {

/// p and c of the commands that obey() knows, in the asynchronous form.
boost::asio::awaitable<void> obey_in_loop(AsyncConnection& client) {
    for (;;) {
        std::array<std::byte, 1> command;
        const auto size = co_await client.read_next(command, client.limits().idle);
        if (size.value_or(0) == 0 || static_cast<char>(command[0]) == 'c') co_return;
        co_await client.write_all(std::to_string(::getpid()) + "\n");
    }
}

boost::asio::awaitable<void> echo_in_loop(AsyncConnection& client) {
    std::array<std::byte, 64> buffer;
    while (const std::size_t size = co_await client.read_some(buffer))
        co_await client.write_all(std::span<const std::byte>{buffer}.first(size));
}

bool serves_one_at_a_time(const Case& under) {
    return under.model->workers_fixed == 1 && !under.model->multiplexes;
}

/// The two ways in which a handler waits for a client's first word. Where no worker is ever spare, one that
/// peeks has closed a silent client before anybody is told to leave.
std::vector<PoolOptions> pools_of(const Case& under) {
    constexpr int with_some_to_spare = 4;
    PoolOptions that_peeks = pool_of(under, obey);
    that_peeks.limits.workers_max = with_some_to_spare;
    that_peeks.async_handler = obey_in_loop;
    that_peeks.await_next = that_peeks.design.parks() ? milliseconds{5} : milliseconds{0};
    PoolOptions that_reads = pool_of(under, echo);
    that_reads.async_handler = echo_in_loop;
    if (under.model->takes_turns()) return {that_peeks};  // Who reads lets all others wait.
    if (serves_one_at_a_time(under) || under.model == find_model("thread")) return {that_reads};
    return {that_peeks, that_reads};
}

/// In a worker or, where the master has them in its hands, parked there.
bool has_accepted(const RunningMaster& master, std::uint64_t clients) {
    return eventually([&] { return master.totals().accepted == clients; }) && eventually([&] {
               const PoolTotals now = master.totals();
               return now.begun + now.parked == clients;
           });
}

void begin_stop(const RunningMaster& master) {
    ::kill(master.keeper(), SIGTERM);
    REQUIRE(eventually([&] { return master.board().header().draining == 1; }));
}

}  // namespace

TEST_SUITE("pool: workers that leave") {
    TEST_CASE("at a stop who has connected but not spoken has stop_patience, and is then refused") {
        for (const Case& under : every_case()) {
            for (PoolOptions& pool : pools_of(under)) {
                CAPTURE(under.name);
                CAPTURE(pool.await_next.count());
                pool.stop_patience = milliseconds{700};
                RunningMaster master{{pool}};
                const UniqueFd silent = master.connect();
                REQUIRE(has_accepted(master, 1));
                // Where one is served after the other, the second's patience begins when the first is gone.
                const UniqueFd late = master.connect();
                REQUIRE(
                    (serves_one_at_a_time(under) || under.model->own_listeners || has_accepted(master, 2)));
                begin_stop(master);
                CHECK(!answer_to(late, "p").empty());
                ::shutdown(late.get(), SHUT_WR);
                CHECK(RunningMaster::answer(silent.get()).empty());
                CHECK(master.stop() == 0);
                const PoolTotals sum = master.totals();
                CHECK(sum.accepted == 2);
                CHECK(sum.refused == 1);
                CHECK(sum.completed == 1);
                CHECK(sum.unaccounted() == 0);
            }
        }
    }

    TEST_CASE("a worker that leaves alone keeps its client, whether that has spoken or not") {
        for (const Case& under : every_case()) {
            for (PoolOptions& pool : pools_of(under)) {
                CAPTURE(under.name);
                CAPTURE(pool.await_next.count());
                pool.await_next =
                    milliseconds{0};  // Where the master would have it soon, the worker is to have it.
                RunningMaster master{{pool}};
                const UniqueFd silent = master.connect();
                REQUIRE(has_accepted(master, 1));
                const std::vector<pid_t> told = workers_of(master);
                for (const pid_t worker : told)
                    ::kill(worker, SIGTERM);
                const bool has_others = under.model->housing == Housing::processes &&
                                        under.model->workers_fixed == 0 && !under.model->own_listeners;
                if (has_others && under.model->delivery != Delivery::fork)
                    CHECK(master.ask("c").size() <= 1);  // Somebody serves on.
                ::usleep(400'000);  // Longer than a slice: so long it was looked at before it was closed.
                CHECK(!answer_to(silent, "p").empty());
                ::shutdown(silent.get(), SHUT_WR);
                (void)RunningMaster::answer(silent.get());
                CHECK(law_holds(master));
                CHECK(master.totals().lost == 0);
                CHECK(master.totals().refused == 0);
                CHECK(master.stop() == 0);
            }
        }
    }

    TEST_CASE("a worker that leaves alone accepts nobody more: its successor does") {
        for (const Case& under : every_case()) {
            const Model& model = *under.model;
            if (model.delivery != Delivery::accept || model.own_listeners || model.multiplexes) continue;
            CAPTURE(under.name);
            PoolOptions pool = pool_of(under, obey);
            pool.limits.workers_max = 1;
            RunningMaster master{{pool}};
            const UniqueFd first = master.connect();
            const pid_t old = server_of(first);
            std::vector<UniqueFd> waiting;
            for (int i = 0; i < 3; ++i) {
                waiting.push_back(master.connect());
                (void)::send(waiting.back().get(), "pc", 2, MSG_NOSIGNAL);
            }
            ::kill(old, SIGTERM);
            // Now it may be closed as one that has been served.
            CHECK(RunningMaster::answer(first.get()).empty());
            for (const UniqueFd& client : waiting) {
                const std::string server = RunningMaster::answer(client.get());
                REQUIRE(!server.empty());
                CHECK(std::stoi(server) != old);
            }
            CHECK(law_holds(master));
            CHECK(master.totals().completed == 4);
            CHECK(master.stop() == 0);
        }
    }

    TEST_CASE("a pool that shrinks by itself closes nobody who has not been served") {
        for (const char* name : {"prefork-accept", "prefork-lock", "prefork-reuseport", "prefork",
                                 "prethread-accept", "prethread"}) {
            const Case under = case_of(name);
            CAPTURE(under.name);
            PoolOptions pool = pool_of(under, obey);
            pool.limits = {.workers_start = 8, .workers_max = 8, .spare_min = 1, .spare_max = 1};
            pool.resize_interval = milliseconds{10};
            pool.shrink_window = milliseconds{50};
            RunningMaster master{{pool}};
            std::vector<UniqueFd> silent;
            for (int i = 0; i < 3; ++i)
                silent.push_back(master.connect());
            CHECK(eventually([&] { return master.totals().idle <= 1; }));
            for (const UniqueFd& client : silent)
                CHECK(server_of(client) > 0);
            silent.clear();
            CHECK(law_holds(master));
            CHECK(master.totals().refused == 0);
            CHECK(master.stop() == 0);
        }
    }

    TEST_CASE("who waits for its turn at accept leaves at once") {
        for (const char* name : {"prefork-lock", "prefork-lock, by file"}) {
            const Case under = case_of(name);
            CAPTURE(under.name);
            PoolOptions pool = pool_of(under, obey);
            RunningMaster master{{pool}};
            for (int i = 0; i < 5; ++i) {
                REQUIRE(eventually([&] { return master.totals().idle == 2; }));
                const std::vector<pid_t> told = workers_of(master);
                for (const pid_t worker : told)
                    ::kill(worker, SIGTERM);
                CHECK(eventually([&] {
                    const std::vector<pid_t> now = workers_of(master);
                    return std::none_of(told.begin(), told.end(), [&](pid_t old) {
                        return std::find(now.begin(), now.end(), old) != now.end();
                    });
                }));
                CHECK(server_of(master.connect()) > 0);
            }
            CHECK(master.stop() == 0);
        }
    }
}
