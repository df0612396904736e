#include "core/network_set.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace bullpen;

namespace {

NetworkSet set_of(std::initializer_list<const char*> texts) {
    std::vector<Network> networks;
    for (const char* text : texts)
        networks.push_back(Network::parse(text));
    return NetworkSet{networks};
}

IpAddress ip(const std::string& text) {
    return IpAddress::parse(text).value();
}

}  // namespace

TEST_SUITE("core: sets of networks") {
    TEST_CASE("an empty set contains nothing") {
        CHECK_FALSE(NetworkSet{}.contains(ip("127.0.0.1")));
        CHECK_FALSE(NetworkSet{}.contains(ip("::")));
        CHECK(NetworkSet{}.empty());
        CHECK_FALSE(set_of({"::1"}).empty());
    }

    TEST_CASE("a network in another doesn't hide the rest of it") {
        const NetworkSet set = set_of({"10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/16", "10.1.2.3"});
        for (const char* address : {"10.0.0.0", "10.1.2.3", "10.1.2.4", "10.200.0.1", "10.255.255.255"})
            CHECK(set.contains(ip(address)));
        CHECK_FALSE(set.contains(ip("9.255.255.255")));
        CHECK_FALSE(set.contains(ip("11.0.0.0")));
    }

    TEST_CASE("IPv4 networks don't hide the IPv6 network they are mapped into, nor does it contain them") {
        const NetworkSet set = set_of({"::/0", "1.2.3.4"});
        CHECK(set.contains(ip("::1")));
        CHECK(set.contains(ip("::1:0:0:0")));
        CHECK(set.contains(ip("ffff::")));
        CHECK(set.contains(ip("1.2.3.4")));
        CHECK_FALSE(set.contains(ip("1.2.3.5")));
    }

    TEST_CASE("it says what a look at each network says") {
        std::mt19937 random{7};
        const auto any = [&](unsigned below) { return static_cast<int>(random() % below); };
        const auto any_address = [&] {
            const std::string low = std::to_string(any(4)) + "." + std::to_string(any(4) * 64);
            return ip(any(2) == 0 ? "10.0." + low
                                  : "2001:db8::" + std::to_string(any(4)) + ":" + low.substr(2));
        };
        long wrong = 0;
        for (int round = 0; round < 300; ++round) {
            std::vector<Network> networks;
            for (int i = any(8); i > 0; --i) {
                const IpAddress address = any_address();
                const int prefix = address.prefix_max() - any(20);
                networks.push_back(
                    Network::parse(address.truncated(prefix).text() + "/" + std::to_string(prefix)));
            }
            const NetworkSet set{networks};
            for (int i = 0; i < 50; ++i) {
                const IpAddress address = any_address();
                const bool expected = std::any_of(networks.begin(), networks.end(),
                                                  [&](const Network& one) { return one.contains(address); });
                wrong += set.contains(address) != expected;
            }
        }
        CHECK(wrong == 0);
    }
}
