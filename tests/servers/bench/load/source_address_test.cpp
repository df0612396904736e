#include "servers/bench/load/source_address.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <stdexcept>
#include <system_error>

#include <bullpen/unique_fd.hpp>
#include "core/resolve.hpp"

using namespace bullpen;

namespace {

const Address server = resolve("127.0.0.1:80").front();

}  // namespace

TEST_SUITE("cli: the load client's source") {
    TEST_CASE("a connection comes from it, with any port") {
        const UniqueFd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        const Address any = resolve("127.0.0.1:0").front();
        REQUIRE(::bind(listener.get(), any.data(), any.size()) == 0);
        REQUIRE(::listen(listener.get(), 1) == 0);
        const Address listening = Address::of_socket(listener.get());
        const UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(come_from(choose_source(resolve_source("127.1.2.3"), listening), socket.get()));
        REQUIRE(::connect(socket.get(), listening.data(), listening.size()) == 0);
        CHECK(Address::of_socket(socket.get()).host() == "127.1.2.3");
        CHECK(Address::of_socket(socket.get()).port() != 0);
    }

    TEST_CASE("what it can't be is refused") {
        const auto source_of = [](const char* host, const Address& at) {
            return choose_source(resolve_source(host), at);
        };
        CHECK_THROWS_AS(source_of("not an address", server), std::invalid_argument);
        CHECK_THROWS_AS(source_of("::1", server), std::invalid_argument);
        CHECK_THROWS_AS(source_of("127.0.0.1", Address::unix_name("/x")), std::invalid_argument);
        CHECK_THROWS_AS(source_of("192.0.2.1", server), std::system_error);  // TEST-NET-1.
    }

    TEST_CASE("of a name's addresses the one is chosen from which the server can be reached") {
        const std::vector<Address> both{resolve("[::1]:0").front(), resolve("127.0.0.1:0").front()};
        CHECK(choose_source(both, server).family() == AF_INET);
    }

    TEST_CASE("none is the kernel's choice") {
        const UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        CHECK(come_from({}, socket.get()));
    }

    TEST_CASE("many connections to loopback are spread over its addresses, others are not") {
        CHECK(spread_source(server, 0).host() == "127.0.0.2");
        CHECK(spread_source(server, 8'191).host() == "127.0.0.2");
        CHECK(spread_source(server, 8'192).host() == "127.0.0.3");
        CHECK(spread_source(server, 8'192L * 250).host() == "127.0.0.2");
        CHECK(spread_source(resolve("192.0.2.1:80").front(), 0).family() == AF_UNSPEC);
        CHECK(spread_source(resolve("[::1]:80").front(), 0).family() == AF_UNSPEC);
    }
}
