#include "pool/source_limits.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

Peer from(const std::string& address) {
    return {.address = IpAddress::parse(address).value(), .port = 1, .has_address = true};
}

const TimePoint start = TimePoint{} + 1h;
const std::optional<Refusal> admitted;

/// How many of so many tries at one moment get in.
int admitted_of(int tries, SourceLimits& limits, const Peer& peer, TimePoint now) {
    int count = 0;
    for (int i = 0; i < tries; ++i)
        count += limits.admit(peer, now) == admitted;
    return count;
}

}  // namespace

TEST_SUITE("pool: limits of a source") {
    TEST_CASE("everything is off by default, and then nothing is remembered") {
        SourceLimits limits{{}};
        CHECK_FALSE(limits.enabled());
        CHECK(admitted_of(1000, limits, from("1.2.3.4"), start) == 1000);
        CHECK(limits.sources() == 0);
    }

    TEST_CASE("a source has only so many connections at once") {
        SourceLimits limits{{.connections_max = 2}};
        CHECK(limits.enabled());
        CHECK(admitted_of(2, limits, from("1.2.3.4"), start) == 2);
        CHECK(limits.admit(from("1.2.3.4"), start) == Refusal::source);
        CHECK(limits.admit(from("1.2.3.5"), start) == admitted);
        limits.ended(from("1.2.3.4"));
        CHECK(limits.admit(from("1.2.3.4"), start) == admitted);
        CHECK(limits.admit(from("1.2.3.4"), start) == Refusal::source);
    }

    TEST_CASE("who was refused is not counted as one of its source's connections") {
        SourceLimits limits{{.connections_max = 1, .rate_max = 2}};
        const Peer peer = from("1.2.3.4");
        CHECK(limits.admit(peer, start) == admitted);
        for (int i = 0; i < 10; ++i)
            CHECK(limits.admit(peer, start) == Refusal::source);
        limits.ended(peer);
        CHECK(limits.admit(peer, start) == admitted);  // Nor did it use up the rate.
        limits.ended(peer);
        CHECK(limits.admit(peer, start) == Refusal::rate);
        CHECK(limits.admit(peer, start + 1s) == admitted);
        CHECK(limits.admit(peer, start + 2s) == Refusal::source);
    }

    TEST_CASE("more ends than connections do no harm") {
        SourceLimits limits{{.connections_max = 1}};
        const Peer peer = from("1.2.3.4");
        limits.ended(peer);
        CHECK(limits.admit(peer, start) == admitted);
        limits.ended(peer);
        limits.ended(peer);
        CHECK(admitted_of(5, limits, peer, start) == 1);
    }

    TEST_CASE("new connections come at a rate, with a second's worth in one moment") {
        SourceLimits limits{{.rate_max = 5}};
        const Peer peer = from("1.2.3.4");
        CHECK(admitted_of(9, limits, peer, start) == 5);
        CHECK(limits.admit(peer, start + 199ms) == Refusal::rate);
        CHECK(admitted_of(9, limits, peer, start + 200ms) == 1);
        CHECK(admitted_of(9, limits, peer, start + 1000ms) == 4);
        CHECK(admitted_of(9, limits, peer, start + 1h) == 5);
        CHECK(limits.admit(from("1.2.3.5"), start + 1h) == admitted);
    }

    TEST_CASE("over a long time exactly the rate gets in, however often it is tried") {
        for (const int rate : {1, 3, 7, 1000}) {
            SourceLimits limits{{.rate_max = rate}};
            int count = 0;
            for (int ms = 0; ms < 10'000; ++ms)
                count += admitted_of(2, limits, from("::1"), start + std::chrono::milliseconds{ms});
            CHECK(count >= 10 * rate);
            CHECK(count <= 11 * rate);
        }
    }

    TEST_CASE("a source that doesn't stop trying is banned for a while") {
        SourceLimits limits{{.connections_max = 1, .ban = 60s, .ban_after = 3}};
        const Peer peer = from("1.2.3.4");
        CHECK(limits.admit(peer, start) == admitted);
        for (int i = 0; i < 3; ++i) {
            CHECK_FALSE(limits.is_banned(peer, start));
            CHECK(limits.admit(peer, start) == Refusal::source);
        }
        CHECK(limits.is_banned(peer, start));
        CHECK(limits.admit(peer, start) == Refusal::banned);
        limits.ended(peer);
        CHECK(limits.admit(peer, start + 59s) == Refusal::banned);
        CHECK(limits.admit(from("1.2.3.5"), start + 59s) == admitted);
        CHECK_FALSE(limits.is_banned(peer, start + 60s));
        CHECK(limits.admit(peer, start + 60s) == admitted);
        for (int i = 0; i < 3; ++i)  // And counts anew.
            CHECK(limits.admit(peer, start + 60s) == Refusal::source);
        CHECK(limits.admit(peer, start + 60s) == Refusal::banned);
    }

    TEST_CASE("after a ban the refusals before it are forgiven") {
        SourceLimits limits{{.connections_max = 1, .ban = 1s, .ban_after = 2, .ban_window = 10s}};
        const Peer peer = from("1.2.3.4");
        CHECK(limits.admit(peer, start) == admitted);
        for (const TimePoint now : {start, start + 1s, start + 2s}) {
            CHECK(limits.admit(peer, now) == Refusal::source);
            CHECK(limits.admit(peer, now) == Refusal::source);
            CHECK(limits.admit(peer, now) == Refusal::banned);
        }
    }

    TEST_CASE("refusals that are far apart are no reason for a ban") {
        SourceLimits limits{{.connections_max = 1, .ban = 60s, .ban_after = 2, .ban_window = 10s}};
        const Peer peer = from("1.2.3.4");
        CHECK(limits.admit(peer, start) == admitted);
        for (int i = 0; i < 10; ++i)
            CHECK(limits.admit(peer, start + i * 10s) == Refusal::source);
        CHECK(limits.admit(peer, start + 99s) == Refusal::source);
        CHECK(limits.admit(peer, start + 99s) == Refusal::banned);
    }

    TEST_CASE("without a ban a source may be refused for ever") {
        SourceLimits limits{{.connections_max = 1}};
        CHECK(admitted_of(1000, limits, from("1.2.3.4"), start) == 1);
        CHECK(limits.admit(from("1.2.3.4"), start) == Refusal::source);
    }

    TEST_CASE("a source is all addresses with one prefix") {
        SourceLimits limits{{.connections_max = 1, .prefix = {.v4 = 24, .v6 = 56}}};
        CHECK(limits.admit(from("1.2.3.4"), start) == admitted);
        CHECK(limits.admit(from("1.2.3.200"), start) == Refusal::source);
        CHECK(limits.admit(from("::ffff:1.2.3.5"), start) == Refusal::source);
        CHECK(limits.admit(from("1.2.4.4"), start) == admitted);
        CHECK(limits.admit(from("2001:db8:0:1::1"), start) == admitted);
        CHECK(limits.admit(from("2001:db8:0:ff::2"), start) == Refusal::source);
        CHECK(limits.admit(from("2001:db8:0:100::"), start) == admitted);
        limits.ended(from("1.2.3.99"));
        CHECK(limits.admit(from("1.2.3.4"), start) == admitted);
    }

    TEST_CASE("trusted networks are exempt, and their ends don't count for others of their source") {
        SourceLimits limits{{.connections_max = 1, .trusted = {Network::parse("2001:db8::1")}}};
        CHECK(limits.admit(from("2001:db8::2"), start) == admitted);
        CHECK(admitted_of(100, limits, from("2001:db8::1"), start) == 100);
        limits.ended(from("2001:db8::1"));
        CHECK(limits.admit(from("2001:db8::2"), start) == Refusal::source);
    }

    TEST_CASE("clients without an address are exempt") {
        SourceLimits limits{{.connections_max = 1, .rate_max = 1}};
        CHECK(admitted_of(100, limits, Peer{}, start) == 100);
        limits.ended(Peer{});
        CHECK(limits.sources() == 0);
    }

    TEST_CASE("a full table forgets who has nothing to his account, and else admits strangers uncounted") {
        SourceLimits limits{{.connections_max = 1, .sources_max = 2}};
        CHECK(limits.admit(from("1.0.0.1"), start) == admitted);
        CHECK(limits.admit(from("1.0.0.2"), start) == admitted);
        CHECK(admitted_of(10, limits, from("1.0.0.3"), start) == 10);
        CHECK(limits.sources() == 2);
        limits.ended(from("1.0.0.3"));
        CHECK(limits.admit(from("1.0.0.1"), start) == Refusal::source);
        limits.ended(from("1.0.0.2"));
        CHECK(limits.admit(from("1.0.0.3"), start) == admitted);
        CHECK(limits.admit(from("1.0.0.3"), start) == Refusal::source);
        CHECK(limits.admit(from("1.0.0.1"), start) == Refusal::source);
        CHECK(limits.sources() == 2);
    }

    TEST_CASE("a full table keeps whose rate or refusals still count, and who is banned") {
        SourceLimits limits{{.rate_max = 1, .ban = 60s, .ban_after = 1, .ban_window = 10s, .sources_max = 2}};
        CHECK(limits.admit(from("1.0.0.1"), start) == admitted);
        limits.ended(from("1.0.0.1"));
        CHECK(limits.admit(from("1.0.0.2"), start) == admitted);
        CHECK(limits.admit(from("1.0.0.2"), start) == Refusal::rate);
        limits.ended(from("1.0.0.2"));
        CHECK(admitted_of(3, limits, from("1.0.0.3"), start + 9s) == 3);
        CHECK(admitted_of(3, limits, from("1.0.0.3"), start + 10s) == 1);
        limits.ended(from("1.0.0.3"));
        CHECK(limits.is_banned(from("1.0.0.2"), start + 59s));
        CHECK(limits.is_banned(from("1.0.0.3"), start + 59s));
        CHECK(admitted_of(3, limits, from("1.0.0.4"), start + 59s) == 3);
        CHECK(admitted_of(3, limits, from("1.0.0.4"), start + 60s) ==
              3);  // Is free, and may soon be forgotten.
        CHECK(admitted_of(3, limits, from("1.0.0.4"), start + 70s) == 1);
    }

    TEST_CASE("a sweep forgets who has nothing to his account, a bounded number at once") {
        SourceLimits limits{{.connections_max = 5, .rate_max = 5, .forget_max = 100}};
        for (int i = 0; i < 250; ++i) {
            const Peer peer = from("10.0.0." + std::to_string(i));
            CHECK(limits.admit(peer, start) == admitted);
            if (i > 0) limits.ended(peer);
        }
        limits.sweep(start + 999ms);
        CHECK(limits.sources() == 250);
        limits.sweep(start + 1s);
        CHECK(limits.sources() == 150);
        limits.sweep(start + 1s);
        limits.sweep(start + 1s);
        CHECK(limits.sources() == 1);
        CHECK(limits.admit(from("10.0.0.0"), start + 1s) == admitted);
    }

    TEST_CASE("a sweep forgets bans that are over, but not the connections of who was banned") {
        SourceLimits limits{{.connections_max = 1, .ban = 60s, .ban_after = 1}};
        for (const char* address : {"1.0.0.1", "1.0.0.2"}) {
            CHECK(limits.admit(from(address), start) == admitted);
            CHECK(limits.admit(from(address), start) == Refusal::source);
        }
        limits.ended(from("1.0.0.2"));
        limits.sweep(start + 59s);
        CHECK(limits.is_banned(from("1.0.0.2"), start + 59s));
        limits.sweep(start + 60s);
        limits.sweep(start + 70s);
        CHECK(limits.sources() == 1);
        CHECK(limits.admit(from("1.0.0.1"), start + 70s) == Refusal::source);
    }

    TEST_CASE(
        "another master goes on with what this one leaves: bans, refusals and rates, and no connection") {
        const SourceOptions options{
            .connections_max = 2, .rate_max = 4, .ban = 60s, .ban_after = 3, .ban_window = 10s};
        SourceLimits before{options};
        CHECK(admitted_of(5, before, from("1.1.1.1"), start) == 2);
        CHECK(before.is_banned(from("1.1.1.1"), start));
        CHECK(admitted_of(3, before, from("2.2.2.2"), start) == 2);
        std::vector<SourceLimits::Record> records(10);
        records.resize(before.leave(records));
        CHECK(records.size() == 2);

        SourceLimits after{options};
        after.recount(from("2.2.2.2"));  // Its other connection has ended meanwhile.
        after.take_over(records);
        CHECK(after.is_banned(from("1.1.1.1"), start + 59s));
        CHECK_FALSE(after.is_banned(from("1.1.1.1"), start + 60s));
        CHECK(after.admit(from("2.2.2.2"), start) == admitted);
        CHECK(after.admit(from("2.2.2.2"), start) == Refusal::source);  // The second refusal,
        CHECK_FALSE(after.is_banned(from("2.2.2.2"), start));
        CHECK(after.admit(from("2.2.2.2"), start) == Refusal::source);  // and the third.
        CHECK(after.is_banned(from("2.2.2.2"), start));

        SourceLimits at_rate{{.rate_max = 4}};
        CHECK(admitted_of(9, at_rate, from("3.3.3.3"), start) == 4);
        std::array<SourceLimits::Record, 1> one;
        REQUIRE(at_rate.leave(one) == 1);
        SourceLimits same_rate{{.rate_max = 4}};
        same_rate.take_over(one);
        CHECK(same_rate.admit(from("3.3.3.3"), start) == Refusal::rate);
        CHECK(same_rate.admit(from("3.3.3.3"), start + 250ms) == admitted);
    }

    TEST_CASE("what finds no room is left out, the banned ones last; and no limits take nothing over") {
        SourceLimits limits{{.connections_max = 1, .ban = 60s, .ban_after = 1}};
        for (int i = 0; i < 5; ++i)
            CHECK(limits.admit(from("1.1.1." + std::to_string(i)), start) == admitted);
        CHECK(limits.admit(from("1.1.1.4"), start) == Refusal::source);
        std::array<SourceLimits::Record, 2> room;
        REQUIRE(limits.leave(room) == 2);
        CHECK(room[0].is_banned);
        CHECK(room[0].network == from("1.1.1.4").address);
        SourceLimits off{{}};
        off.take_over(room);
        CHECK(off.sources() == 0);
    }

    TEST_CASE("it can be moved with all it remembers") {
        SourceLimits first{{.connections_max = 1, .ban = 60s, .ban_after = 1}};
        CHECK(first.admit(from("1.0.0.1"), start) == admitted);
        SourceLimits limits{std::move(first)};
        CHECK(limits.admit(from("1.0.0.1"), start) == Refusal::source);
        CHECK(limits.admit(from("1.0.0.1"), start) == Refusal::banned);
        limits.ended(from("1.0.0.1"));
        CHECK(limits.admit(from("1.0.0.1"), start + 60s) == admitted);
    }
}
