#include <bullpen/network.hpp>

#include <doctest/doctest.h>

#include "tests/complaint.hpp"

using namespace bullpen;

namespace {

bool contains(const char* network, const char* address) {
    return Network::parse(network).contains(IpAddress::parse(address).value());
}

std::string complaint(std::string_view text) {
    return complaint_of([&] { Network::parse(text); });
}

}  // namespace

TEST_SUITE("core: networks") {
    TEST_CASE("a network contains the addresses that begin with its prefix") {
        CHECK(contains("10.0.0.0/8", "10.0.0.0"));
        CHECK(contains("10.0.0.0/8", "10.255.255.255"));
        CHECK_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
        CHECK(contains("192.168.4.0/22", "192.168.7.255"));
        CHECK_FALSE(contains("192.168.4.0/22", "192.168.8.0"));
        CHECK(contains("2001:db8::/32", "2001:db8:ffff::1"));
        CHECK_FALSE(contains("2001:db8::/32", "2001:db9::"));
    }

    TEST_CASE("an address alone is a network of one") {
        CHECK(contains("::1", "::1"));
        CHECK_FALSE(contains("::1", "::2"));
        CHECK(contains("127.0.0.1", "127.0.0.1"));
        CHECK_FALSE(contains("127.0.0.1", "127.0.0.2"));
        CHECK(Network::parse("::1").text() == "::1/128");
        CHECK(Network::parse("127.0.0.1").text() == "127.0.0.1/32");
    }

    TEST_CASE("IPv4 is no part of IPv6") {
        CHECK(contains("0.0.0.0/0", "255.1.2.3"));
        CHECK_FALSE(contains("0.0.0.0/0", "::1"));
        CHECK(contains("::/0", "::1"));
        CHECK_FALSE(contains("::/0", "1.2.3.4"));
        CHECK_FALSE(contains("::/80", "1.2.3.4"));
    }

    TEST_CASE("a network of IPv4-mapped addresses is one of IPv4") {
        CHECK(Network::parse("::ffff:10.0.0.0/104").text() == "10.0.0.0/8");
        CHECK(contains("::ffff:0:0/96", "1.2.3.4"));
        CHECK(complaint("::ffff:10.0.0.0/8") ==
              "'::ffff:10.0.0.0/8' is not a network: expected a prefix from 96 to 128 after the slash");
    }

    TEST_CASE("bits beyond the prefix are an error that says what was probably meant") {
        CHECK(
            complaint("10.1.2.3/8") ==
            "'10.1.2.3/8' is not a network: bits beyond its prefix are set; expected 10.0.0.0/8 or 10.1.2.3");
        CHECK(complaint("2001:db8::1/32").ends_with("expected 2001:db8::/32 or 2001:db8::1"));
    }

    TEST_CASE("what is no network is rejected with a sentence that quotes it") {
        for (const char* text :
             {"", "/8", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8x", "10.0.0.0/-1", "10.0.0.0/33", "::/129",
              "10.0.0.0/8/8", "10.0.0/8", "localhost", "[::1]", "10.0.0.0/ 8", "10.0.0.0/99999999999"}) {
            CAPTURE(text);
            CHECK(complaint(text).starts_with("'" + std::string{text} + "' is not a network: expected "));
        }
    }
}
