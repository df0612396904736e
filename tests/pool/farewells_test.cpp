#include "pool/farewells.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/core/open_descriptors.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

const TimeLimits limits{.linger = 5s, .linger_total = 30s};

/// Farewells, looked at as the master does.
struct Leaving {
    Farewells farewells;
    TimePoint now{1h};

    UniqueFd add() {
        SocketPair sockets = tcp_sockets();
        farewells.add(std::move(sockets.server));
        return std::move(sockets.client);
    }

    /// The next look; says how long it was until then.
    std::chrono::nanoseconds look(bool stopping = false) {
        const TimePoint next = farewells.prepare_to_wait(now);
        const auto pause = next - now;
        now = next;
        farewells.attend(now, limits, stopping);
        return pause;
    }

    /// How long the one is waited for, if `send` is called before each look.
    template <typename Send>
    std::chrono::nanoseconds lifetime(Send send, bool stopping = false) {
        look(stopping);
        const TimePoint begun = now;
        while (!farewells.empty()) {
            send();
            look(stopping);
        }
        return now - begun;
    }
};

}  // namespace

TEST_SUITE("pool: farewells") {
    TEST_CASE("who leaves is closed at the next look") {
        Leaving leaving;
        UniqueFd client = leaving.add();
        leaving.look();
        CHECK(leaving.farewells.size() == 1);
        ::shutdown(client.get(), SHUT_WR);
        char end = 0;
        while (!leaving.farewells.empty())
            leaving.look();
        CHECK(::recv(client.get(), &end, 1, 0) == 0);
        CHECK(leaving.farewells.prepare_to_wait(leaving.now) == TimePoint::max());
    }

    TEST_CASE("a silent client is waited for until its silence is over, and is looked at ever less often") {
        Leaving leaving;
        const UniqueFd client = leaving.add();
        std::vector<std::chrono::nanoseconds> pauses;
        for (int i = 0; i < 6; ++i)
            pauses.push_back(leaving.look());
        CHECK(pauses == std::vector<std::chrono::nanoseconds>{10ms, 20ms, 40ms, 80ms, 160ms, 160ms});
        Leaving other;
        const UniqueFd silent = other.add();
        const auto lived = other.lifetime([] {});
        CHECK(lived >= 5s);
        CHECK(lived < 6s);
    }

    TEST_CASE("a client that never stops sending is closed when the whole is over, at a stop sooner") {
        for (const bool stopping : {false, true}) {
            Leaving leaving;
            const UniqueFd client = leaving.add();
            const auto lived = leaving.lifetime(
                [&] { (void)!::send(client.get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT); }, stopping);
            CHECK(lived >= (stopping ? 5s : 30s));
            CHECK(lived < (stopping ? 6s : 31s));
        }
    }

    TEST_CASE("they are never more than the most, and the oldest makes room") {
        const long before = open_descriptors();
        {
            Leaving leaving;
            const UniqueFd oldest = leaving.add();
            std::vector<UniqueFd> clients;
            for (std::size_t i = 0; i < Farewells::most; ++i)
                clients.push_back(leaving.add());
            CHECK(leaving.farewells.size() == Farewells::most);
            char end = 0;
            CHECK(::recv(oldest.get(), &end, 1, 0) == 0);
            leaving.farewells.close_all();
            CHECK(leaving.farewells.empty());
        }
        CHECK(open_descriptors() == before);
    }
}
