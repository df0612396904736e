#include "pool/peer.hpp"

#include <doctest/doctest.h>

#include <bullpen/address.hpp>
#include "core/resolve.hpp"

using namespace bullpen;

TEST_SUITE("pool: peers") {
    TEST_CASE("a peer says what its address says") {
        for (const char* text : {"127.0.0.1:8080", "[::1]:81", "unix:"}) {
            const Address address =
                std::string_view{text} == "unix:" ? Address::unix_name("/x") : resolve(text).front();
            const Peer peer = Peer::of(address.data(), address.size());
            CHECK(peer.text() == text);
            CHECK(peer.port == address.port());
            CHECK(peer.has_address == (address.family() != AF_UNIX));
        }
    }

    TEST_CASE("a client of a UNIX socket without a name has no address") {
        sockaddr_storage storage{};
        storage.ss_family = AF_UNIX;
        const Peer peer = Peer::of(reinterpret_cast<const sockaddr*>(&storage), sizeof(sa_family_t));
        CHECK_FALSE(peer.has_address);
        CHECK(peer.text() == "unix:");
    }
}
