#include "pool/acceptor.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

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
        Acceptor acceptor{listeners};
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
        Acceptor acceptor{listeners};
        for (int i = 0; i < 5; ++i)
            CHECK(acceptor.next(leave_when_empty));
        CHECK(!acceptor.next(leave_when_empty));
    }

    TEST_CASE("one that is retired alone leaves though clients come later, which others take") {
        const std::vector<Listener> listeners = two_listeners();
        Acceptor retired{std::span{listeners}.first(1)};
        CHECK(!retired.next(leave_now));
        const UniqueFd client = connect_to(listeners[0]);
        Acceptor other{std::span{listeners}.first(1)};
        CHECK(other.next(stay));
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
            Acceptor acceptor{listeners};
            const UniqueFd tcp = connect_to(listeners[0]);
            CHECK(acceptor.next(stay)->has_options);
            const UniqueFd local = connect_to(listeners[1]);
            CHECK(!acceptor.next(stay)->has_options);
        }
        std::filesystem::remove_all(directory);
    }
}
