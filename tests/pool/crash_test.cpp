/// What becomes of the connections of a worker that crashes: under each model whose master accepts.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <new>
#include <span>
#include <string>
#include <vector>

#include <bullpen/async_connection.hpp>
#include "tests/core/socket_pair.hpp"
#include "tests/pool/every_model.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;

namespace {

/// A number that all processes of a test have in common.
class CommonCounter {
public:
    CommonCounter()
        : count_{new (::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>{0}} {}
    ~CommonCounter() { ::munmap(count_, sizeof *count_); }
    CommonCounter(const CommonCounter&) = delete;
    CommonCounter& operator=(const CommonCounter&) = delete;

    std::atomic<int>& operator*() const noexcept { return *count_; }

private:
    std::atomic<int>* count_;
};

void crash() {
    ::raise(SIGKILL);
}

/// Crashes so often, as long as it has only looked at its client's bytes, and then echoes them.
Handler crashing(std::atomic<int>& crashes) {
    return [&crashes](Connection& client) {
        std::array<std::byte, 16> buffer;
        const auto peeked = client.peek(buffer, {Limit::header});
        if (crashes-- > 0) crash();
        client.take(std::span{buffer}.first(peeked ? peeked->size : 0));
        client.write_last("served");
    };
}

/// The same before it has done anything.
AsyncHandler crashing_in_loop(std::atomic<int>& crashes) {
    return [&crashes](AsyncConnection& client) -> boost::asio::awaitable<void> {
        if (crashes-- > 0) crash();
        std::array<std::byte, 16> buffer;
        (void)co_await client.read_some(buffer);
        co_await client.write_last("served");
    };
}

std::vector<Case> those_that_hand_out() {
    std::vector<Case> cases;
    for (const Case& one : every_case())
        if (one.model->master_accepts()) cases.push_back(one);
    return cases;
}

}  // namespace

TEST_SUITE("pool: a worker that crashes") {
    TEST_CASE("a request of which nothing was taken is tried again as often as may be, and then it is lost") {
        for (const Case& under : those_that_hand_out()) {
            for (const int retries : {0, 1, 2}) {
                for (const int crashes : {1, 2}) {
                    CAPTURE(under.name);
                    CAPTURE(retries);
                    CAPTURE(crashes);
                    const CommonCounter left;
                    *left = crashes;
                    PoolOptions pool = pool_of(under, crashing(*left));
                    pool.async_handler = crashing_in_loop(*left);
                    pool.retry_crashed = retries;
                    RunningMaster master{{pool}};
                    const bool is_served = crashes <= retries;
                    const UniqueFd client = master.connect();
                    say(client, "x");
                    CHECK(RunningMaster::answer(client.get()) == (is_served ? "served" : ""));
                    CHECK(law_holds(master));
                    CHECK(master.totals().completed == (is_served ? 1 : 0));
                    CHECK(master.totals().lost == (is_served ? 0 : 1));
                    *left = 0;
                    CHECK(master.ask("x") == "served");
                    CHECK(master.stop() == 0);
                    CHECK(master.totals().unaccounted() == 0);
                }
            }
        }
    }

    TEST_CASE("a request of which a byte was taken or answered is not, however often it might be") {
        for (const Case& under : those_that_hand_out()) {
            for (const bool writes : {true, false}) {
                CAPTURE(under.name);
                CAPTURE(writes);
                PoolOptions pool = pool_of(under, [writes](Connection& client) {
                    std::array<std::byte, 1> byte;
                    if (writes)
                        client.write_all("x");
                    else
                        (void)client.read_some(byte);
                    crash();
                });
                pool.async_handler = [writes](AsyncConnection& client) -> boost::asio::awaitable<void> {
                    std::array<std::byte, 1> byte;
                    if (writes)
                        co_await client.write_all("x");
                    else
                        (void)co_await client.read_some(byte);
                    crash();
                };
                pool.retry_crashed = 10;
                RunningMaster master{{pool}};
                const UniqueFd client = master.connect();
                say(client, "x");
                (void)RunningMaster::answer(client.get());
                CHECK(law_holds(master));
                CHECK(master.totals().lost == 1);
                CHECK(eventually([&] { return ended(master, ExitReason::signalled) == 1; }));
            }
        }
    }

    TEST_CASE("of many connections of one worker, those between requests and those not begun go on") {
        const CommonCounter crashes;
        *crashes = 1;
        PoolOptions pool = pool_of(case_of("prefork-event"), echo);
        pool.limits.workers_max = 1;
        pool.async_handler = [&](AsyncConnection& client) -> boost::asio::awaitable<void> {
            std::array<std::byte, 1> command;
            constexpr std::chrono::hours for_ever{1};
            while (const auto size = co_await client.read_next(command, for_ever)) {
                if (*size == 0) co_return;
                if (static_cast<char>(command[0]) == '!' && (*crashes)-- > 0) crash();
                client.state()[0] = std::byte(static_cast<unsigned char>(client.state()[0]) + 1);
                co_await client.write_all(std::span{client.state()}.first(1));
            }
        };
        RunningMaster master{{pool}};
        const UniqueFd kept = master.connect();
        CHECK(answer_to(kept, "x") == "\1");
        CHECK(answer_to(kept, "x") == "\2");
        const UniqueFd silent = master.connect();
        CHECK(eventually([&] { return master.totals().begun == 2; }));
        const UniqueFd culprit = master.connect();
        CHECK(answer_to(culprit, "!").empty());
        CHECK(eventually([&] { return ended(master, ExitReason::signalled) == 1; }));
        CHECK(answer_to(kept, "x") == "\3");
        CHECK(answer_to(silent, "x") == "\1");
        CHECK(master.totals().lost == 1);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("a client for whose next request a thread waits goes on, though another thread has crashed") {
        PoolOptions pool = pool_of(case_of("prefork, 2 threads each"), [](Connection& client) {
            for (std::array<std::byte, 1> command;;) {
                const auto peeked = client.peek(command, {});
                if (!peeked) return Next::await_input;
                if (peeked->size == 0) return Next::close;
                client.take(command);
                if (static_cast<char>(command[0]) == '!') crash();
                client.state()[0] = std::byte(static_cast<unsigned char>(client.state()[0]) + 1);
                client.write_all(std::span{client.state()}.first(1));
            }
        });
        pool.limits.workers_max = 2;
        pool.await_next = std::chrono::milliseconds{10'000};
        RunningMaster master{{pool}};
        REQUIRE(eventually([&] { return master.totals().idle == 2; }));  // Or else the first client waits.
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "x") == "\1");
        CHECK(eventually([&] { return master.board().row(0).awaiting_since_ns != 0; }));
        const UniqueFd culprit = master.connect();
        CHECK(answer_to(culprit, "!").empty());
        CHECK(answer_to(client, "x") == "\2");
        CHECK(master.totals().lost == 1);
        CHECK(eventually([&] { return ended(master, ExitReason::signalled) == 1; }));
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("a request that was ended for its length is not tried again") {
        for (const Case& under : those_that_hand_out()) {
            if (!under.model->limits_requests() || under.model->form != Form::blocking) continue;
            CAPTURE(under.name);
            const CommonCounter begun;
            PoolOptions pool = pool_of(under, [&](Connection&) {
                ++*begun;
                for (;;)
                    ::pause();
            });
            pool.retry_crashed = 10;
            pool.request_timeout = std::chrono::milliseconds{20};
            pool.request_grace = std::chrono::milliseconds{20};
            RunningMaster master{{pool}};
            const UniqueFd client = master.connect();
            say(client, "x");
            CHECK(RunningMaster::answer(client.get()).empty());
            CHECK(eventually([&] { return master.totals().lost == 1; }));
            CHECK(*begun == 1);
            CHECK(law_holds(master));
        }
    }
}
