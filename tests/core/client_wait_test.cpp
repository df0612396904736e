#include <bullpen/detail/client_wait.hpp>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include <bullpen/clock.hpp>
#include "tests/core/connection_pair.hpp"
#include "tests/core/contents.hpp"

using namespace bullpen;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds for_ever{3'600'000};  // Whoever waits for it hangs.

std::string text_of(const std::vector<std::byte>& buffer, std::size_t size) {
    return {reinterpret_cast<const char*>(buffer.data()), size};
}

}  // namespace

TEST_SUITE("core: waiting for a client") {
    TEST_CASE("a silent client runs into the read limit") {
        ConnectionPair pair = tcp_pair();
        pair.server.limits().read = milliseconds{300};
        std::vector<std::byte> buffer(1);
        CHECK_THROWS_AS((void)pair.server.read_some(buffer), TimedOut);
        CHECK(pair.worker.exceeded() == Limit::read);
    }

    TEST_CASE("a client that reads nothing runs into the write limit") {
        ConnectionPair pair = tcp_pair();
        pair.server.set_socket_timeouts(milliseconds{50});
        pair.server.limits().write = milliseconds{200};
        CHECK_THROWS_AS(pair.server.write_all(many_bytes(50'000'000)), TimedOut);
        CHECK(pair.worker.exceeded() == Limit::write);
    }

    TEST_CASE(
        "waiting for the next request ends when there is no spare worker, at a stop, and at its limit") {
        std::atomic<std::uint32_t> spare{1};
        std::atomic<std::uint32_t> draining{0};
        ConnectionPair pair = tcp_pair({.spare = &spare, .draining = &draining});
        std::vector<std::byte> buffer(16);
        REQUIRE(::write(pair.client.get(), "next", 4) == 4);
        const auto peeked = pair.server.peek(buffer, {});
        REQUIRE(peeked);
        CHECK(peeked->size == 4);
        CHECK(!peeked->ended);
        pair.server.take(std::span{buffer}.first(4));
        const auto soon = Clock::now() + milliseconds{300};
        CHECK_THROWS_AS((void)pair.server.peek(buffer, {Limit::idle, soon}), TimedOut);
        CHECK(pair.worker.exceeded() == Limit::idle);
        spare = 0;
        CHECK(!pair.server.peek(buffer, {}));
        spare = 1;
        draining = 1;
        CHECK(!pair.server.peek(buffer, {}));
    }

    TEST_CASE("what was only looked at is still there, for whoever takes it") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            ConnectionPair pair = pair_of(make());
            std::vector<std::byte> buffer(16);
            say(pair.client, "one two");
            for (int look = 0; look < 2; ++look) {
                const auto peeked = pair.server.peek(buffer, {});
                REQUIRE(peeked);
                CHECK(text_of(buffer, peeked->size) == "one two");
                CHECK(!peeked->ended);
            }
            pair.server.take(std::span{buffer}.first(4));
            CHECK(pair.server.peek(buffer, {})->size == 3);
            CHECK(text_of(buffer, 3) == "two");
            ::shutdown(pair.client.get(), SHUT_WR);
            pair.server.take(std::span{buffer}.first(3));
            const auto end = pair.server.peek(buffer, {});
            REQUIRE(end);
            CHECK(end->size == 0);
            CHECK(end->ended);
        }
    }

    TEST_CASE("more than was seen is waited for until it comes, or the client's end") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const bool ends : {false, true}) {
                ConnectionPair pair = pair_of(make());
                pair.server.set_socket_timeouts(milliseconds{10});
                std::vector<std::byte> buffer(16);
                say(pair.client, "half");
                const clock_t cpu_before = ::clock();
                std::thread client{[&] {
                    ::usleep(200'000);  // The rate of a slow client: the wait is to be one, and no spinning.
                    if (ends)
                        ::shutdown(pair.client.get(), SHUT_WR);
                    else
                        say(pair.client, "!");
                }};
                const auto peeked = pair.server.peek(buffer, {Limit::header}, 4);
                client.join();
                CHECK(::clock() - cpu_before < CLOCKS_PER_SEC / 10);
                REQUIRE(peeked);
                CHECK(peeked->size == (ends ? 4 : 5));
                CHECK(peeked->ended == ends);
            }
        }
    }

    TEST_CASE("what comes together with the client's end is seen with it") {
        for (int round = 0; round < 300; ++round) {  // Each may be looked at between the bytes and the end.
            ConnectionPair pair = tcp_pair({.parks = true, .await_next = milliseconds{0}});
            std::vector<std::byte> buffer(16);
            say(pair.client, "half");
            REQUIRE(pair.server.peek(buffer, {Limit::header}));
            std::thread client{[&] {
                CHECK(::send(pair.client.get(), "rest", 4, MSG_MORE) == 4);
                ::shutdown(pair.client.get(), SHUT_WR);  // In one segment.
            }};
            std::optional<Peeked> peeked;
            while (!peeked)
                peeked = pair.server.peek(buffer, {Limit::header, Clock::now() + for_ever}, 4);
            client.join();
            REQUIRE(text_of(buffer, peeked->size) == "halfrest");
        }
    }

    TEST_CASE("who is in the middle of something runs into that limit, and at a stop is waited for") {
        const std::atomic<std::uint32_t> none{0};
        const std::atomic<std::uint32_t> yes{1};
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            ConnectionPair pair = pair_of(make(), {.spare = &none, .draining = &yes});
            pair.server.set_socket_timeouts(milliseconds{10});
            pair.server.limits().header = milliseconds{100};
            std::vector<std::byte> buffer(16);
            say(pair.client, "half");
            CHECK_THROWS_AS((void)pair.server.peek(buffer, {Limit::header}, 4), TimedOut);
            CHECK(pair.worker.exceeded() == Limit::header);
        }
    }

    TEST_CASE("a connection that can be given back is not waited for when somebody else waits") {
        const std::atomic<std::uint32_t> wanted{1};
        ConnectionPair pair = tcp_pair({.wanted = &wanted, .parks = true, .await_next = for_ever});
        pair.server.set_socket_timeouts(milliseconds{0});
        std::vector<std::byte> buffer(16);
        CHECK(!pair.server.peek(buffer, {}));
        CHECK(pair.worker.parking().limit == Limit::idle);
        CHECK(pair.worker.parking().input_at_least == 1);
        say(pair.client, "half");
        const TimePoint deadline = Clock::now() + std::chrono::hours{1};
        CHECK(!pair.server.peek(buffer, {Limit::header, deadline}, 4));
        CHECK(pair.worker.parking().limit == Limit::header);
        CHECK(TimePoint{std::chrono::nanoseconds{pair.worker.parking().deadline_ns}} == deadline);
        CHECK(pair.worker.parking().input_at_least == 5);
        int low_water = 0;
        socklen_t size = sizeof low_water;
        REQUIRE(::getsockopt(pair.server.fd(), SOL_SOCKET, SO_RCVLOWAT, &low_water, &size) == 0);
        CHECK(low_water == 5);
        ::shutdown(pair.client.get(), SHUT_WR);
        const auto peeked = pair.server.peek(buffer, {Limit::header}, 4);
        REQUIRE(peeked);
        CHECK(peeked->size == 4);
        CHECK(peeked->ended);
        CHECK(pair.server.read_some(buffer) == 4);  // Less than it waited for before.
    }

    TEST_CASE("while no client waits for a worker the next request is waited for a moment") {
        const std::atomic<std::uint32_t> wanted{0};
        const std::atomic<std::uint32_t> draining{1};
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            ConnectionPair pair = pair_of(make(), {.wanted = &wanted, .parks = true, .await_next = for_ever});
            pair.server.set_socket_timeouts(milliseconds{0});
            std::vector<std::byte> buffer(16);
            std::thread client{[&] { say(pair.client, "next"); }};
            CHECK(pair.server.peek(buffer, {})->size == 4);
            client.join();
            ConnectionPair stopping =
                pair_of(make(), {.draining = &draining, .parks = true, .await_next = for_ever});
            CHECK(!stopping.server.peek(buffer, {}));
            ConnectionPair never =
                pair_of(make(), {.wanted = &wanted, .parks = true, .await_next = milliseconds{0}});
            never.server.set_socket_timeouts(milliseconds{0});
            CHECK(!never.server.peek(buffer, {}));
            CHECK(never.worker.parking().deadline_ns == 0);
            say(never.client, "next");
            CHECK(never.server.peek(buffer, {})->size == 4);
        }
    }

    TEST_CASE("after vain waits a client is waited for ever more seldom, until it speaks in time") {
        ConnectionPair pair = tcp_pair({.parks = true, .await_next = milliseconds{1}});
        std::vector<std::byte> buffer(16);
        std::string waits;
        for (int turn = 0; turn < 12; ++turn) {
            const auto before = pair.worker.parking().in_vain;
            CHECK(!pair.server.peek(buffer, {}));
            waits += pair.worker.parking().in_vain > before ? '+' : '.';
        }
        CHECK(waits == "+.+...+.....");
        say(pair.client, "late");  // Looked at without a wait: that it was in time can't be said.
        CHECK(pair.server.peek(buffer, {})->size == 4);
        CHECK(+pair.worker.parking().in_vain == 3);
        pair.worker.parking().skips = 0;
        pair.server.take(std::span{buffer}.first(4));
        say(pair.client, "soon");
        CHECK(pair.server.peek(buffer, {})->size == 4);
        CHECK(+pair.worker.parking().in_vain == 0);
    }

    TEST_CASE("what a vain wait took is taken from the time that the client has in all") {
        ConnectionPair pair = tcp_pair({.parks = true, .await_next = milliseconds{20}});
        pair.server.limits().idle = milliseconds{50};
        std::vector<std::byte> buffer(16);
        const TimePoint begun = Clock::now();
        CHECK(!pair.server.peek(buffer, {}));
        const TimePoint given_back = Clock::now();
        const TimePoint deadline{std::chrono::nanoseconds{pair.worker.parking().deadline_ns}};
        CHECK(deadline >= begun + milliseconds{50});
        CHECK(deadline <= given_back + milliseconds{30});
    }

    TEST_CASE("a message on the channel ends the wait for the next request, and for room") {
        for (const bool for_room : {false, true}) {
            CAPTURE(for_room);
            SocketPair channel = unix_sockets();
            std::atomic<std::uint64_t> awaiting_since_ns{0};
            ConnectionPair pair = tcp_pair({.parks = true,
                                            .channel = channel.server.get(),
                                            .await_next = for_ever,
                                            .awaiting_since_ns = &awaiting_since_ns});
            std::vector<std::byte> buffer(16);
            const std::string bytes = many_bytes(20'000'000);
            if (for_room) {  // The waits for room are short by themselves: here they don't even begin.
                say(channel.client, "x");
                CHECK(pair.server.write_some(bytes) < bytes.size());
            } else {
                std::thread master{[&] {
                    while (awaiting_since_ns == 0)
                        std::this_thread::yield();
                    say(channel.client, "x");
                }};
                CHECK(!pair.server.peek(buffer, {}));
                master.join();
            }
            CHECK(awaiting_since_ns == 0);
            CHECK(+pair.worker.parking().in_vain == 0);  // It is no fault of the client's.
            say(pair.client, "next");
            CHECK(pair.server.peek(buffer, {})->size == 4);  // First of the two.
        }
    }

    TEST_CASE("a wait that the master ends after its time was in vain, one that it ends before was not") {
        for (const auto waited : {milliseconds{0}, milliseconds{5}}) {
            CAPTURE(waited.count());
            SocketPair channel = unix_sockets();
            std::atomic<std::uint64_t> awaiting_since_ns{0};
            const milliseconds moment = waited.count() == 0 ? milliseconds{60'000} : waited;
            ConnectionPair pair = tcp_pair({.parks = true,
                                            .channel = channel.server.get(),
                                            .await_next = moment,
                                            .awaiting_since_ns = &awaiting_since_ns});
            std::vector<std::byte> buffer(16);
            std::thread master{[&] {
                while (awaiting_since_ns == 0)
                    std::this_thread::yield();
                while (monotonic_ns() - awaiting_since_ns <
                       static_cast<std::uint64_t>(std::chrono::nanoseconds{waited}.count()))
                    std::this_thread::yield();
                say(channel.client, "x");
            }};
            CHECK(!pair.server.peek(buffer, {}));
            master.join();
            CHECK(+pair.worker.parking().in_vain == (waited.count() == 0 ? 0 : 1));
        }
    }

    TEST_CASE("half a head on a UNIX socket keeps no worker that can give it back") {
        const std::atomic<std::uint32_t> wanted{0};
        ConnectionPair pair =
            pair_of(unix_sockets(), {.wanted = &wanted, .parks = true, .await_next = for_ever});
        std::vector<std::byte> buffer(16);
        say(pair.client, "half");
        CHECK(!pair.server.peek(buffer, {Limit::header}, 4));
        CHECK(pair.worker.parking().input_at_least == 5);
        say(pair.client, "!");
        CHECK(pair.server.peek(buffer, {Limit::header}, 4)->size == 5);
    }

    TEST_CASE("a silent client wakes the worker that waits for it once, and not again and again") {
        std::vector<std::byte> buffer(16);
        const auto wakes_in = [&](auto wait) {
            ConnectionPair pair = tcp_pair();
            pair.server.set_socket_timeouts(milliseconds{2});
            for (const auto limit : {&TimeLimits::read, &TimeLimits::header, &TimeLimits::body})
                pair.server.limits().*limit = milliseconds{150};
            rusage before{};
            ::getrusage(RUSAGE_THREAD, &before);
            CHECK_THROWS_AS(wait(pair.server), TimedOut);
            rusage after{};
            ::getrusage(RUSAGE_THREAD, &after);
            return after.ru_nvcsw - before.ru_nvcsw;
        };
        constexpr long few = 10;  // Of the socket's slices there are 75.
        CHECK(wakes_in([&](Connection& server) { (void)server.read_some(buffer); }) < few);
        CHECK(wakes_in([&](Connection& server) { (void)server.read_exactly(buffer); }) < few);
        CHECK(wakes_in([&](Connection& server) { (void)server.peek(buffer, {Limit::header}); }) < few);
    }

    TEST_CASE("waiting here ends with input, with the limit, and between requests at a stop") {
        std::atomic<std::uint32_t> draining{0};
        ConnectionPair pair = tcp_pair({.draining = &draining});
        CHECK(pair.worker.wait_here(Await::output));
        say(pair.client, "x");
        CHECK(pair.worker.wait_here(Await::input));
        std::vector<std::byte> buffer(16);
        CHECK(pair.server.read_some(buffer) == 1);
        draining = 1;
        CHECK(!pair.worker.wait_here(Await::input));
        draining = 0;
        ConnectionPair other = tcp_pair();
        other.server.limits().header = milliseconds{10};
        other.server.wait_at_most({Limit::header});
        CHECK_THROWS_AS((void)other.worker.wait_here(Await::input), TimedOut);
        CHECK(other.worker.exceeded() == Limit::header);
    }
}
