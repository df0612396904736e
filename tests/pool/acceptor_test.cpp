#include "pool/acceptor.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

using namespace bullpen;

namespace {

UniqueFd connect_to(const Listener& listener) {
    const Address& address = listener.address();
    UniqueFd client{::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(client.get(), address.data(), address.size()) == 0);
    return client;
}

constexpr auto stay = [] { return Leave::no; };
constexpr auto leave_when_empty = [] { return Leave::when_empty; };
constexpr auto leave_now = [] { return Leave::now; };

std::vector<Listener> two_listeners() {
    std::vector<Listener> listeners;
    for (int i = 0; i < 2; ++i) {
        listeners.push_back(std::move(open_listeners("127.0.0.1:0", {}).front()));
        listeners.back().set_nonblocking(true);
    }
    return listeners;
}

}  // namespace

TEST_SUITE("pool: a worker that accepts") {
    TEST_CASE("it accepts from whichever listener has a client, in turns when both have") {
        const std::vector<Listener> listeners = two_listeners();
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 3; ++i)
            clients.push_back(connect_to(listeners[0]));
        for (int i = 0; i < 3; ++i)
            clients.push_back(connect_to(listeners[1]));
        IdleWait idle{listeners};
        Acceptor acceptor{listeners, idle};
        std::string from;
        for (int i = 0; i < 6; ++i) {
            const auto accepted = acceptor.next(stay);
            REQUIRE(accepted);
            const auto local = Address::of_socket(accepted->socket.get());
            from += local.port() == listeners[0].address().port() ? 'a' : 'b';
        }
        CHECK((from == "ababab" || from == "bababa"));
    }

    TEST_CASE("at a stop it takes all that wait in all backlogs before it leaves") {
        const std::vector<Listener> listeners = two_listeners();
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 5; ++i)
            clients.push_back(connect_to(listeners[1]));
        IdleWait idle{listeners};
        Acceptor acceptor{listeners, idle};
        for (int i = 0; i < 5; ++i)
            CHECK(acceptor.next(leave_when_empty));
        CHECK(!acceptor.next(leave_when_empty));
    }

    TEST_CASE("one that is retired alone leaves though clients come later, which others take") {
        const std::vector<Listener> listeners = two_listeners();
        const std::span<const Listener> one = std::span{listeners}.first(1);
        IdleWait idle{one};
        Acceptor retired{one, idle};
        CHECK(!retired.next(leave_now));
        const UniqueFd client = connect_to(listeners[0]);
        CHECK(!retired.next(leave_now));
        Acceptor other{one, idle};
        CHECK(other.next(stay));
    }

    TEST_CASE("who is told to leave when it was just woken takes the client, whom nobody else is woken for") {
        const std::vector<Listener> listeners = two_listeners();
        IdleWait idle{listeners};
        Acceptor acceptor{listeners, idle};
        std::vector<UniqueFd> clients;
        int asked = 0;
        const auto leave_once_woken = [&] {
            constexpr int before_the_wait = 3;  // At the beginning, when nobody has come, and in the wait.
            if (++asked == before_the_wait) clients.push_back(connect_to(listeners[1]));
            return asked <= before_the_wait ? Leave::no : Leave::now;
        };
        CHECK(acceptor.next(leave_once_woken));
        CHECK(!acceptor.next(leave_once_woken));
    }

    TEST_CASE("of many that sleep the kernel wakes one for a client, also in one process") {
        const std::vector<Listener> listeners = two_listeners();
        IdleWait idle{listeners};
        std::atomic<int> served{0};
        std::atomic<bool> stop{false};
        std::atomic<int> attempts{0};
        const auto leave = [&] {
            ++attempts;
            return stop ? Leave::now : Leave::no;
        };
        make_threads_interruptible();
        std::vector<Thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                Acceptor acceptor{listeners, idle};
                while (acceptor.next(leave))
                    ++served;
            });
        constexpr int clients = 20;
        for (int i = 0; i < clients; ++i) {
            const UniqueFd client = connect_to(listeners[static_cast<std::size_t>(i) % 2]);
            while (served <= i)
                ::usleep(1000);
        }
        stop = true;
        for (const Thread& thread : threads)
            for (int i = 0; i < 100 && attempts < 1'000'000; ++i) {
                thread.interrupt();
                ::usleep(1000);
            }
        threads.clear();
        CHECK(served == clients);
    }

    TEST_CASE("a TCP client's socket has its listener's options, a UNIX client's has not") {
        char directory[] = "/tmp/bullpen-test-XXXXXX";
        REQUIRE(::mkdtemp(directory) != nullptr);
        {
            std::vector<Listener> listeners = two_listeners();
            listeners.pop_back();
            listeners.push_back(
                std::move(open_listeners("unix:" + std::string{directory} + "/s", {}).front()));
            listeners.back().set_nonblocking(true);
            IdleWait idle{listeners};
            Acceptor acceptor{listeners, idle};
            const UniqueFd tcp = connect_to(listeners[0]);
            CHECK(acceptor.next(stay)->has_options);
            const UniqueFd local = connect_to(listeners[1]);
            CHECK(!acceptor.next(stay)->has_options);
        }
        std::filesystem::remove_all(directory);
    }
}
