#include "pool/datagram_admission.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t start = 3'600'000'000'000;
const std::optional<Refusal> admitted;
const std::vector<std::string> listeners{"udp:127.0.0.1:7000", "udp:[::1]:7000"};

IpAddress source(const std::string& text) {
    return IpAddress::parse(text).value();
}

Network network(const std::string& text) {
    return Network::parse(text);
}

DatagramAdmission admission(const AdmissionOptions& options) {
    return {options, listeners, std::make_shared<SourceRates>(options.sources.sources_max)};
}

}  // namespace

TEST_SUITE("pool: admission of datagrams") {
    TEST_CASE("without options everybody is served, and so are all of a pool without datagrams") {
        const DatagramAdmission none = admission({});
        CHECK(!none.enabled());
        CHECK(none.admit(source("192.0.2.1"), 0, start) == admitted);
        const DatagramAdmission of_connections{{.deny = {{network("0.0.0.0/0")}}}, listeners, nullptr};
        CHECK(!of_connections.enabled());
        CHECK(of_connections.admit(source("192.0.2.1"), 0, start) == admitted);
    }

    TEST_CASE("the lists say whose datagrams are served, of all listeners or of one") {
        const DatagramAdmission lists =
            admission({.allow = {{network("192.0.2.0/24"), listeners[0]}},
                       .deny = {{network("192.0.2.7")}, {network("2001:db8::/32")}}});
        CHECK(lists.enabled());
        CHECK(lists.admit(source("192.0.2.1"), 0, start) == admitted);
        CHECK(lists.admit(source("192.0.2.7"), 0, start) == Refusal::denied);
        CHECK(lists.admit(source("192.0.3.1"), 0, start) == Refusal::denied);
        CHECK(lists.admit(source("::1"), 1, start) == admitted);
        CHECK(lists.admit(source("2001:db8::1"), 1, start) == Refusal::denied);
    }

    TEST_CASE("a source is a prefix, and trusted ones have no rate") {
        const DatagramAdmission rate =
            admission({.sources = {.rate_max = 1, .prefix = {24, 64}, .trusted = {network("198.51.100.1")}}});
        CHECK(rate.admit(source("192.0.2.1"), 0, start) == admitted);
        CHECK(rate.admit(source("192.0.2.2"), 0, start) == Refusal::rate);
        CHECK(rate.admit(source("192.0.3.2"), 0, start) == admitted);
        CHECK(rate.admit(source("2001:db8::1"), 1, start) == admitted);
        CHECK(rate.admit(source("2001:db8::2"), 1, start) == Refusal::rate);
        for (int i = 0; i < 5; ++i)
            CHECK(rate.admit(source("198.51.100.1"), 0, start) == admitted);
    }

    TEST_CASE("copies count together, and so does what takes its place") {
        const DatagramAdmission first = admission({.sources = {.rate_max = 2, .ban = 9s}});
        const DatagramAdmission copy = first;
        CHECK(first.admit(source("192.0.2.1"), 0, start) == admitted);
        CHECK(copy.admit(source("192.0.2.1"), 0, start) == admitted);
        CHECK(first.admit(source("192.0.2.1"), 0, start) == Refusal::rate);
        const DatagramAdmission next{{.sources = {.rate_max = 1}}, listeners, first.rates()};
        CHECK(next.admit(source("192.0.2.1"), 0, start) == Refusal::rate);
        CHECK(next.admit(source("192.0.2.2"), 0, start) == admitted);
    }
}
