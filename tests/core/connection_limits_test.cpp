// Every limit of both kinds of connection, one table for all: when it ends a wait, and when it must not.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <bullpen/async_connection.hpp>
#include "core/served_connection.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using boost::asio::awaitable;
using std::chrono::milliseconds;

namespace {

enum class Ended { got_it, timed_out, failed };

/// What is waited for: more than the client has said so far, or that it takes more than the socket holds.
enum class Wants { input, more_input, room };

/// One way to wait under a limit.
struct Wait {
    std::string name;
    Limit limit;
    Wants wants;
    std::function<Ended(UniqueFd socket, milliseconds limit, milliseconds slice, Limit& exceeded)> run;
};

constexpr std::size_t too_much = 20'000'000;

const std::string& many_bytes() {
    static const std::string bytes(too_much, 'x');
    return bytes;
}

int large_file() {
    static const UniqueFd file = [] {
        UniqueFd made{::memfd_create("test", MFD_CLOEXEC)};
        REQUIRE(::ftruncate(made.get(), too_much) == 0);
        return made;
    }();
    return file.get();
}

/// Bytes earn no time: what is measured is the base time.
TimeLimits all_of(milliseconds limit) {
    constexpr int unearnable = 2'000'000'000;
    return {.idle = limit,
            .header = limit,
            .body = limit,
            .body_rate = unearnable,
            .read = limit,
            .write = limit,
            .write_rate = unearnable};
}

void fill(int socket) {
    while (::send(socket, many_bytes().data(), too_much, MSG_DONTWAIT) > 0)
        continue;
}

Wait blocking(const std::string& name, Limit limit, Wants wants,
              const std::function<bool(ServedConnection&, milliseconds)>& call, ServerView view = {}) {
    return {name, limit, wants,
            [call, view](UniqueFd socket, milliseconds span, milliseconds slice, Limit& exceeded) {
                ServedConnection served{std::move(socket), view};
                Connection& server = served.connection();
                server.set_socket_timeouts(slice);
                server.limits() = all_of(span);
                Ended ended = Ended::failed;
                try {
                    if (call(served, span)) ended = Ended::got_it;
                } catch (const TimedOut&) {
                    ended = Ended::timed_out;
                }
                exceeded = served.exceeded();
                return ended;
            }};
}

Wait asynchronous(const std::string& name, Limit limit, Wants wants,
                  const std::function<awaitable<bool>(AsyncConnection&, milliseconds)>& call) {
    return {name, limit, wants, [call](UniqueFd socket, milliseconds span, milliseconds, Limit& exceeded) {
                boost::asio::io_context loop{1};
                AsyncConnection server{loop.get_executor(), std::move(socket)};
                server.limits() = all_of(span);
                Ended ended = Ended::failed;
                boost::asio::co_spawn(loop, call(server, span), [&](std::exception_ptr thrown, bool got_it) {
                    if (!thrown && got_it) ended = Ended::got_it;
                    try {
                        if (thrown) std::rethrow_exception(thrown);
                    } catch (const TimedOut&) {
                        ended = Ended::timed_out;
                    }
                    loop.stop();
                });
                loop.run();
                exceeded = server.exceeded();
                return ended;
            }};
}

std::vector<Wait> blocking_waits() {
    static std::array<std::byte, 16> buffer;
    const auto first = [](std::size_t size) { return std::span{buffer}.first(size); };
    return {
        blocking(
            "read_some", Limit::read, Wants::input,
            [](ServedConnection& served, milliseconds) { return served.connection().read_some(buffer) > 0; }),
        blocking("read_before", Limit::read, Wants::input,
                 [](ServedConnection& served, milliseconds span) {
                     return served.connection().read_before(buffer, Clock::now() + span) > 0;
                 }),
        blocking("read_exactly", Limit::body, Wants::input,
                 [=](ServedConnection& served, milliseconds) {
                     return served.connection().read_exactly(first(1));
                 }),
        blocking("read_exactly, the rest", Limit::body, Wants::more_input,
                 [=](ServedConnection& served, milliseconds) {
                     return served.connection().read_exactly(first(5));
                 }),
        blocking("peek", Limit::idle, Wants::input,
                 [](ServedConnection& served, milliseconds) {
                     return served.connection().peek(buffer, {}).has_value();
                 }),
        blocking("peek until", Limit::idle, Wants::input,
                 [](ServedConnection& served, milliseconds span) {
                     return served.connection().peek(buffer, {Limit::idle, Clock::now() + span}).has_value();
                 }),
        blocking("peek beyond", Limit::header, Wants::more_input,
                 [](ServedConnection& served, milliseconds) {
                     return served.connection().peek(buffer, {Limit::header}, 4).has_value();
                 }),
        blocking(
            "peek beyond until", Limit::header, Wants::more_input,
            [](ServedConnection& served, milliseconds span) {
                return served.connection().peek(buffer, {Limit::header, Clock::now() + span}, 4).has_value();
            }),
        blocking("wait_here for input", Limit::header, Wants::input,
                 [](ServedConnection& served, milliseconds) {
                     served.connection().wait_at_most({Limit::header});
                     return served.wait_here(Await::input);
                 }),
        blocking("wait_here for input until", Limit::body, Wants::input,
                 [](ServedConnection& served, milliseconds span) {
                     served.connection().wait_at_most({Limit::body, Clock::now() + span});
                     return served.wait_here(Await::input);
                 }),
        blocking("wait_here for room", Limit::write, Wants::room,
                 [](ServedConnection& served, milliseconds) {
                     fill(served.connection().fd());
                     return served.wait_here(Await::output);
                 }),
        blocking("wait_readable", Limit::header, Wants::input,
                 [](ServedConnection& served, milliseconds) {
                     return served.connection().wait_readable(Limit::header);
                 }),
        blocking("wait_readable between two requests", Limit::idle, Wants::input,
                 [](ServedConnection& served, milliseconds) {
                     return served.connection().wait_readable(Limit::idle);
                 }),
        blocking("wait_readable until", Limit::body, Wants::input,
                 [](ServedConnection& served, milliseconds span) {
                     return served.connection().wait_readable({Limit::body, Clock::now() + span});
                 }),
        blocking("wait_writable", Limit::write, Wants::room,
                 [](ServedConnection& served, milliseconds) {
                     fill(served.connection().nonblocking_fd());
                     served.connection().wait_writable();
                     return true;
                 }),
        blocking("wait_writable until", Limit::header, Wants::room,
                 [](ServedConnection& served, milliseconds span) {
                     fill(served.connection().nonblocking_fd());
                     served.connection().wait_writable({Limit::header, Clock::now() + span});
                     return true;
                 }),
        blocking("read_some, non-blocking", Limit::read, Wants::input,
                 [](ServedConnection& served, milliseconds) {
                     static_cast<void>(served.connection().nonblocking_fd());
                     return served.connection().read_some(buffer) > 0;
                 }),
        blocking("peek, non-blocking", Limit::idle, Wants::input,
                 [](ServedConnection& served, milliseconds) {
                     static_cast<void>(served.connection().nonblocking_fd());
                     return served.connection().peek(buffer, {}).has_value();
                 }),
        blocking("peek beyond, non-blocking", Limit::header, Wants::more_input,
                 [](ServedConnection& served, milliseconds) {
                     static_cast<void>(served.connection().nonblocking_fd());
                     return served.connection().peek(buffer, {Limit::header}, 4).has_value();
                 }),
        blocking("write_all", Limit::write, Wants::room,
                 [](ServedConnection& served, milliseconds) {
                     served.connection().write_all(many_bytes());
                     return true;
                 }),
        blocking("write_some", Limit::write, Wants::room,
                 [](ServedConnection& served, milliseconds) {
                     return served.connection().write_some(many_bytes()) == many_bytes().size();
                 }),
        blocking("send_file", Limit::write, Wants::room,
                 [](ServedConnection& served, milliseconds) {
                     served.connection().send_file(large_file(), 0, too_much);
                     return true;
                 }),
        blocking("send_file_some", Limit::write, Wants::room,
                 [](ServedConnection& served, milliseconds) {
                     return served.connection().send_file_some(large_file(), 0, too_much) == too_much;
                 }),
    };
}

std::vector<Wait> asynchronous_waits() {
    static std::array<std::byte, 16> buffer;
    const auto first = [](std::size_t size) { return std::span{buffer}.first(size); };
    return {
        asynchronous("async read_some", Limit::read, Wants::input,
                     [](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         co_return co_await server.read_some(buffer) > 0;
                     }),
        asynchronous("async read_before", Limit::header, Wants::input,
                     [](AsyncConnection& server, milliseconds span) -> awaitable<bool> {
                         co_return co_await server.read_before(buffer, Clock::now() + span, Limit::header) >
                             0;
                     }),
        asynchronous("async read_next", Limit::idle, Wants::input,
                     [](AsyncConnection& server, milliseconds span) -> awaitable<bool> {
                         const auto size = co_await server.read_next(buffer, span);
                         co_return size.value_or(0) > 0;
                     }),
        asynchronous("async read_exactly", Limit::body, Wants::input,
                     [=](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         co_return co_await server.read_exactly(first(1));
                     }),
        asynchronous("async read_exactly, the rest", Limit::body, Wants::more_input,
                     [=](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         co_return co_await server.read_exactly(first(5));
                     }),
        asynchronous("async wait_readable", Limit::header, Wants::input,
                     [](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         co_return co_await server.wait_readable(Limit::header);
                     }),
        asynchronous("async wait_readable between two requests", Limit::idle, Wants::input,
                     [](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         co_return co_await server.wait_readable(Limit::idle);
                     }),
        asynchronous("async wait_writable", Limit::write, Wants::room,
                     [](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         fill(server.nonblocking_fd());
                         co_await server.wait_writable();
                         co_return true;
                     }),
        asynchronous("async write_all", Limit::write, Wants::room,
                     [](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         co_await server.write_all(many_bytes());
                         co_return true;
                     }),
        asynchronous("async send_file", Limit::write, Wants::room,
                     [](AsyncConnection& server, milliseconds) -> awaitable<bool> {
                         co_await server.send_file(large_file(), 0, too_much);
                         co_return true;
                     }),
    };
}

std::vector<Wait> all_waits() {
    std::vector<Wait> all = blocking_waits();
    for (Wait& wait : asynchronous_waits())
        all.push_back(std::move(wait));
    return all;
}

/// What a client has said that then keeps the server waiting.
void keep_waiting(const Wait& wait, const UniqueFd& client) {
    if (wait.wants == Wants::more_input) say(client, "half");
}

/// In a process of its own, which is stopped while it waits.
pid_t wait_in_child(const Wait& wait, SocketPair sockets, milliseconds limit) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child > 0) return child;
    sockets.client.reset();
    sigevent stop{};
    stop.sigev_notify = SIGEV_SIGNAL;
    stop.sigev_signo = SIGSTOP;
    timer_t timer{};
    const itimerspec soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 20'000'000}};
    if (::timer_create(CLOCK_MONOTONIC, &stop, &timer) != 0 || ::timer_settime(timer, 0, &soon, nullptr) != 0)
        ::_exit(100);
    Limit exceeded = Limit::none;
    constexpr milliseconds slice{250};
    ::_exit(static_cast<int>(wait.run(std::move(sockets.server), limit, slice, exceeded)));
}

void take_all(int socket, int flags) {
    static std::array<char, 1 << 16> scrap;
    while (::recv(socket, scrap.data(), scrap.size(), flags) > 0)
        continue;
}

}  // namespace

TEST_SUITE("core: the limits of connections") {
    TEST_CASE("no limit ends early, and none waits for a slice to end") {
        constexpr milliseconds limit{40};
        constexpr milliseconds much_later{15'000};
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const milliseconds slice : {milliseconds{4}, milliseconds{30'000}, milliseconds{0}}) {
                for (const Wait& wait : all_waits()) {
                    CAPTURE(wait.name);
                    CAPTURE(slice.count());
                    SocketPair sockets = make();
                    keep_waiting(wait, sockets.client);
                    Limit exceeded = Limit::none;
                    const TimePoint begun = Clock::now();
                    const Ended ended = wait.run(std::move(sockets.server), limit, slice, exceeded);
                    const auto waited = Clock::now() - begun;
                    CHECK(ended == Ended::timed_out);
                    CHECK(name_of(exceeded) == std::string{name_of(wait.limit)});
                    CHECK(waited >= limit);
                    CHECK(waited < much_later);
                }
            }
        }
    }

    TEST_CASE("a client whose limit has passed is looked at once more, and only then timed out") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const Wait& wait : all_waits()) {
                if (wait.wants == Wants::room) continue;
                for (const bool there : {true, false}) {
                    CAPTURE(wait.name);
                    CAPTURE(there);
                    SocketPair sockets = make();
                    keep_waiting(wait, sockets.client);
                    if (there) say(sockets.client, "!");
                    Limit exceeded = Limit::none;
                    constexpr milliseconds slice{250};
                    const Ended ended = wait.run(std::move(sockets.server), milliseconds{0}, slice, exceeded);
                    CHECK(ended == (there ? Ended::got_it : Ended::timed_out));
                    CHECK((exceeded == Limit::none) == there);
                }
            }
        }
    }

    TEST_CASE("a server that was stopped while it waited serves the client that moved meanwhile") {
        constexpr milliseconds limit{
            400};  // A transfer must go on at least that often, on a busy machine, too.
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            struct Case {
                Wait wait;
                UniqueFd client;
                pid_t child;
            };
            // Gives the client up between two requests, because the pool has no spare worker.
            static const std::atomic<std::uint32_t> none{0};
            std::vector<Wait> waits = all_waits();
            waits.push_back(blocking("peek, for as long as no other client needs the worker", Limit::idle,
                                     Wants::input,
                                     [](ServedConnection& served, milliseconds span) {
                                         Connection& server = served.connection();
                                         server.set_socket_timeouts(span / 2);
                                         std::array<std::byte, 16> buffer;
                                         return server.peek(buffer, {}).has_value();
                                     },
                                     {.spare = &none}));
            std::vector<Case> cases;
            for (const Wait& wait : waits) {
                SocketPair sockets = make();
                keep_waiting(wait, sockets.client);
                UniqueFd client = std::move(sockets.client);
                const pid_t child = wait_in_child(wait, {std::move(sockets.server), {}}, limit);
                cases.push_back({wait, std::move(client), child});
                int status = 0;
                REQUIRE(::waitpid(child, &status, WUNTRACED) == child);
                CAPTURE(wait.name);
                REQUIRE(WIFSTOPPED(status));
                if (wait.wants == Wants::room)
                    take_all(cases.back().client.get(), MSG_DONTWAIT);
                else
                    say(cases.back().client, "!");
            }
            ::usleep(2 * std::chrono::microseconds{limit}.count());  // Until all limits have passed.
            for (const Case& stopped : cases) {
                CAPTURE(stopped.wait.name);
                ::kill(stopped.child, SIGCONT);
                if (stopped.wait.wants == Wants::room) take_all(stopped.client.get(), 0);
                int status = 0;
                REQUIRE(::waitpid(stopped.child, &status, 0) == stopped.child);
                CHECK(status == 0);  // Ended::got_it.
            }
        }
    }
}
