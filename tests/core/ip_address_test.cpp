#include <bullpen/ip_address.hpp>
#include "core/ip_address_hash.hpp"

#include <doctest/doctest.h>

#include <set>

#include <bullpen/address.hpp>
#include "core/resolve.hpp"

using namespace bullpen;

namespace {

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

std::optional<IpAddress> of(std::string_view text) {
    const Address address = resolve(text).front();
    return IpAddress::of(address.data(), address.size());
}

}  // namespace

TEST_SUITE("core: IP addresses") {
    TEST_CASE("an address is what the kernel filled in") {
        CHECK(of("1.2.3.4:80").value().text() == "1.2.3.4");
        CHECK(of("[2001:db8::7]:80").value().text() == "2001:db8::7");
        CHECK(of("1.2.3.4:80").value().is_v4());
        CHECK_FALSE(of("[::1]:80").value().is_v4());
    }

    TEST_CASE("a UNIX socket, and what is too short, has none") {
        CHECK_FALSE(of("unix:/x"));
        const Address address = resolve("1.2.3.4:80").front();
        CHECK_FALSE(IpAddress::of(address.data(), sizeof(sa_family_t)));
        CHECK_FALSE(IpAddress::of(address.data(), 0));
    }

    TEST_CASE("an IPv4-mapped address is the IPv4 address") {
        CHECK(of("[::ffff:1.2.3.4]:80") == of("1.2.3.4:80"));
        CHECK(ip("::ffff:1.2.3.4").text() == "1.2.3.4");
        CHECK(ip("::ffff:1.2.3.4").prefix_max() == 32);
        CHECK(ip("::1").prefix_max() == 128);
    }

    TEST_CASE("what is no address is nothing") {
        using namespace std::string_view_literals;
        for (const std::string_view text : {""sv, "1.2.3"sv, "1.2.3.4.5"sv, "01.2.3.4"sv, "1.2.3.4 "sv,
                                            "[::1]"sv, "::1%lo"sv, "1.2.3.4/8"sv, "1.2.3.4\0x"sv}) {
            CAPTURE(text);
            CHECK_FALSE(IpAddress::parse(text));
        }
    }

    TEST_CASE("a prefix is counted in the address's own bits") {
        CHECK(ip("10.255.255.255").truncated(8) == ip("10.0.0.0"));
        CHECK(ip("10.255.255.255").truncated(9) == ip("10.128.0.0"));
        CHECK(ip("10.1.2.3").truncated(32) == ip("10.1.2.3"));
        CHECK(ip("10.1.2.3").truncated(0) == ip("0.0.0.0"));
        CHECK(ip("2001:db8:1:2:3:4:5:6").truncated(64) == ip("2001:db8:1:2::"));
        CHECK(ip("2001:db8:ffff::").truncated(33) == ip("2001:db8:8000::"));
        CHECK(ip("2001:db8::").truncated(0) == IpAddress{});
        CHECK(ip("10.1.2.3").truncated(99) == ip("10.1.2.3"));
    }

    TEST_CASE("a hash tells addresses apart, and each has keys of its own") {
        const IpAddressHash hash;
        std::set<std::size_t> seen;
        for (int i = 0; i < 100; ++i)
            for (const char* network : {"10.0.0.", "2001:db8::"})
                seen.insert(hash(ip(network + std::to_string(i))));
        CHECK(seen.size() == 200);  // Two that collide are expected once in 200,000 runs.
        CHECK(hash(ip("1.2.3.4")) == hash(ip("::ffff:1.2.3.4")));
        CHECK(hash(ip("::1")) != IpAddressHash{}(ip("::1")));
    }
}
