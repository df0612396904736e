#include "pool/parking_lot.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "tests/core/open_descriptors.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using namespace std::chrono_literals;
using Why = ParkingLot::Why;

namespace {

const TimePoint now = Clock::now();
const TimePoint far = now + std::chrono::hours{1};

HeldClient held(UniqueFd socket, Parking parking = {}, bool served = false) {
    HeldClient client;
    client.envelope.descriptors[0] = std::move(socket);
    client.envelope.message.parking = parking;
    client.account.served = served;
    return client;
}

/// A client in the lot, and its own end.
struct Guest {
    UniqueFd client;
    int server = -1;  ///< In the lot's hands.

    Guest(ParkingLot& lot, SocketPair sockets, Parking parking = {}, TimePoint deadline = far,
          bool served = false)
        : client{std::move(sockets.client)}, server{sockets.server.get()} {
        HeldClient guest = held(std::move(sockets.server), parking, served);
        REQUIRE(lot.park(guest, deadline));
        CHECK(guest.socket() == -1);
    }
};

void want(int socket, int bytes) {
    REQUIRE(::setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0);
}

/// Whether somebody's wait is over within so many milliseconds.
bool speaks(const ParkingLot& lot, int patience_ms = 1000) {
    pollfd readable{.fd = lot.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, patience_ms) == 1;
}
bool is_quiet(const ParkingLot& lot) {
    return !speaks(lot, 0);
}

/// Waits for the one client whose wait is over.
ParkingLot::Leaving next(ParkingLot& lot) {
    REQUIRE(speaks(lot));
    std::vector<ParkingLot::Leaving>& leaving = lot.leave(now);
    REQUIRE(leaving.size() == 1);
    return std::move(leaving.front());
}

/// Fills what the kernel keeps for the client; says how much that is.
std::size_t fill(int socket) {
    const std::string bytes(65536, 'x');
    std::size_t sum = 0;
    for (ssize_t size; (size = ::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT)) > 0;)
        sum += static_cast<std::size_t>(size);
    return sum;
}

void drain(const UniqueFd& client, std::size_t size) {
    std::vector<char> buffer(size);
    REQUIRE(::recv(client.get(), buffer.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
}

}  // namespace

TEST_SUITE("pool: the parking lot") {
    TEST_CASE("a client that speaks leaves with all that it came with, and the place is used again") {
        ParkingLot lot;
        const long before = open_descriptors();
        for (int round = 0; round < 3; ++round) {
            SocketPair sockets = tcp_sockets();
            HeldClient guest = held(std::move(sockets.server));
            guest.envelope.descriptors[1] = UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
            guest.envelope.message.state.fill(std::byte{7});
            guest.account.listener = 5;
            guest.account.cookie = 9;
            const int file = guest.envelope.descriptors[1].get();
            REQUIRE(lot.park(guest, far));
            CHECK(lot.size() == 1);
            CHECK(is_quiet(lot));
            say(sockets.client, "x");
            const ParkingLot::Leaving left = next(lot);
            CHECK(left.why == Why::ready);
            CHECK(left.client.envelope.descriptors[1].get() == file);
            CHECK(left.client.envelope.message.state.back() == std::byte{7});
            CHECK(left.client.account.listener == 5);
            CHECK(left.client.account.cookie == 9);
            CHECK(lot.empty());
        }
        lot.leave(now);
        CHECK(open_descriptors() == before);
    }

    TEST_CASE(
        "who ends its side leaves as ended, unless it has said something before, and who resets as broken") {
        for (auto* const sockets : {tcp_sockets, unix_sockets}) {
            ParkingLot lot;
            Guest silent{lot, sockets()};
            ::shutdown(silent.client.get(), SHUT_WR);
            CHECK(next(lot).why == Why::ended);
            Guest gone{lot, sockets()};
            gone.client.reset();
            CHECK(next(lot).why == Why::ended);
            Guest brief{lot, sockets()};
            say(brief.client, "bye");
            brief.client.reset();
            CHECK(next(lot).why == Why::ready);
        }
        ParkingLot lot;
        Guest rude{lot, tcp_sockets()};
        reset_by(rude.client);
        CHECK(next(lot).why == Why::broken);
        SocketPair sockets = unix_sockets();
        say(sockets.server, "never read");
        Guest deaf{lot, std::move(sockets)};
        deaf.client.reset();
        CHECK(next(lot).why == Why::broken);
    }

    TEST_CASE("half a head doesn't wake anybody until there is more of it, or its end") {
        ParkingLot lot;
        for (const bool ends : {false, true}) {
            SocketPair sockets = tcp_sockets();
            say(sockets.client, "half");
            want(sockets.server.get(), 5);
            Guest guest{lot, std::move(sockets), {.input_at_least = 5, .limit = Limit::header}};
            CHECK(is_quiet(lot));
            if (ends)
                ::shutdown(guest.client.get(), SHUT_WR);
            else
                say(guest.client, "!");
            CHECK(next(lot).why == Why::ready);
        }
    }

    TEST_CASE("who waits for room to write leaves when the client has taken a part, or has reset") {
        constexpr Parking sending{.what = Await::output, .limit = Limit::write};
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            ParkingLot lot;
            SocketPair sockets = make();
            const std::size_t filled = fill(sockets.server.get());
            Guest slow{lot, std::move(sockets), sending};
            CHECK(is_quiet(lot));
            say(slow.client, "what it says is not waited for");
            CHECK(is_quiet(lot));
            drain(slow.client, filled);
            const ParkingLot::Leaving left = next(lot);
            CHECK(left.why == Why::ready);
            CHECK(lot.empty());
        }
        ParkingLot lot;
        SocketPair sockets = tcp_sockets();
        fill(sockets.server.get());
        Guest gone{lot, std::move(sockets), sending};
        reset_by(gone.client);
        CHECK(next(lot).why == Why::broken);
    }

    TEST_CASE("several leave in one look, in the order in which they spoke") {
        ParkingLot lot;
        std::vector<Guest> guests;
        for (int i = 0; i < 5; ++i)
            guests.emplace_back(lot, tcp_sockets());
        for (const std::size_t i : {3U, 0U, 4U})
            say(guests[i].client, "x");
        std::vector<int> order;
        for (const ParkingLot::Leaving& leaving : lot.leave(now))
            order.push_back(leaving.client.socket());
        CHECK(order == std::vector<int>{guests[3].server, guests[0].server, guests[4].server});
        CHECK(lot.size() == 2);
    }

    TEST_CASE("whose deadline has passed leaves as expired, whatever it says then") {
        ParkingLot lot;
        const Guest patient{lot, tcp_sockets()};
        const Guest silent{lot, tcp_sockets(), {}, now + 1s};
        const Guest late{lot, tcp_sockets(), {.limit = Limit::header}, now + 1s};
        CHECK(lot.expire(now).empty());
        say(late.client, "too late");
        REQUIRE(speaks(lot));
        std::vector<ParkingLot::Leaving>& spoke = lot.leave(now + 1s);
        REQUIRE(spoke.size() == 1);
        CHECK(spoke.front().client.socket() == late.server);
        CHECK(spoke.front().why == Why::expired);
        std::vector<ParkingLot::Leaving>& expired = lot.expire(now + 1s);
        REQUIRE(expired.size() == 1);
        CHECK(expired.front().client.socket() == silent.server);
        CHECK(expired.front().why == Why::expired);
        CHECK(lot.size() == 1);
    }

    TEST_CASE(
        "who has been idle for longest is taken out first, and who is in the middle of something never") {
        ParkingLot lot;
        const Guest begun{lot, tcp_sockets(), {.limit = Limit::header}};
        const Guest sending{lot, tcp_sockets(), {.what = Await::output, .limit = Limit::idle}};
        const Guest lingering{lot, tcp_sockets(), {.limit = Limit::none}};
        std::vector<Guest> idle;
        for (int i = 0; i < 4; ++i)
            idle.emplace_back(lot, tcp_sockets());
        say(idle[1].client, "x");
        (void)lot.leave(now);  // From the middle of the list, and `sending` with it.
        lot.leave(now).clear();
        std::vector<int> order;
        while (auto client = lot.evict_idle())
            order.push_back(client->socket());
        CHECK(order == std::vector<int>{idle[0].server, idle[2].server, idle[3].server});
        CHECK(lot.size() == 2);
        const Guest another{lot, tcp_sockets()};
        const auto evicted = lot.evict_idle();
        REQUIRE(evicted);
        CHECK(evicted->socket() == another.server);
    }

    TEST_CASE("at a stop the idle ones are hastened, each kind to its own deadline") {
        ParkingLot lot;
        const Guest silent{lot, tcp_sockets()};
        const Guest served{lot, tcp_sockets(), {}, far, true};
        const Guest begun{lot, tcp_sockets(), {.limit = Limit::header}};
        const Guest hurried{lot, tcp_sockets(), {}, now};
        lot.hasten(now + 1s, now + 3s);
        const auto expired = [&](TimePoint at) {
            std::vector<int> sockets;
            for (const ParkingLot::Leaving& leaving : lot.expire(at))
                sockets.push_back(leaving.client.socket());
            return sockets;
        };
        CHECK(expired(now) == std::vector<int>{hurried.server});
        CHECK(expired(now + 1s) == std::vector<int>{served.server});
        CHECK(expired(now + 2s).empty());
        CHECK(expired(now + 3s) == std::vector<int>{silent.server});
        CHECK(lot.size() == 1);
    }

    TEST_CASE("those that no worker has seen yet are counted") {
        ParkingLot lot;
        const Guest fresh{lot, tcp_sockets()};
        const Guest begun{lot, tcp_sockets(), {.limit = Limit::header}};
        const Guest served{lot, tcp_sockets(), {}, far, true};
        CHECK(lot.unserved() == 2);
        say(begun.client, "x");
        (void)next(lot);
        CHECK(lot.unserved() == 1);
        (void)lot.evict_idle();
        CHECK(lot.unserved() == 0);
        (void)lot.evict_idle();
        CHECK(lot.unserved() == 0);
        CHECK(lot.empty());
    }

    TEST_CASE("who has left reports no more, though another process still has the socket") {
        const auto by_speaking = [](ParkingLot& lot, const UniqueFd& client) {
            say(client, "x");
            (void)next(lot);
        };
        const auto by_time = [](ParkingLot& lot, const UniqueFd&) { lot.expire(far).clear(); };
        const auto by_eviction = [](ParkingLot& lot, const UniqueFd&) { REQUIRE(lot.evict_idle()); };
        using Leave = void (*)(ParkingLot&, const UniqueFd&);
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const Leave leave : {Leave{by_speaking}, Leave{by_time}, Leave{by_eviction}}) {
                ParkingLot lot;
                SocketPair sockets = make();
                const UniqueFd elsewhere{::fcntl(sockets.server.get(), F_DUPFD_CLOEXEC, 0)};
                const Guest guest{lot, std::move(sockets)};
                leave(lot, guest.client);
                CHECK(lot.empty());
                say(guest.client, "y");
                CHECK(is_quiet(lot));
            }
        }
    }

    TEST_CASE("a client that can't be watched stays with its owner") {
        ParkingLot lot;
        HeldClient file = held(UniqueFd{::open("/proc/self/status", O_RDONLY | O_CLOEXEC)});
        CHECK_FALSE(lot.park(file, far));  // epoll refuses regular files; of sockets it would want memory.
        CHECK(file.socket() >= 0);
        CHECK(lot.empty());
        const Guest guest{lot, tcp_sockets()};
        CHECK(lot.size() == 1);
    }

    TEST_CASE("a thousand come and go, and none is mistaken for another") {
        ParkingLot lot;
        std::vector<Guest> guests;
        for (int round = 0; round < 3; ++round) {
            guests.clear();
            for (int i = 0; i < 300; ++i)
                guests.emplace_back(lot, unix_sockets());
            for (std::size_t i = 0; i < guests.size(); i += 2)
                say(guests[i].client, std::to_string(guests[i].server));
            std::size_t left = 0;
            while (speaks(lot, 0)) {
                for (const ParkingLot::Leaving& leaving : lot.leave(now)) {
                    std::array<char, 16> name{};
                    (void)!::recv(leaving.client.socket(), name.data(), name.size() - 1, 0);
                    CHECK(name.data() == std::to_string(leaving.client.socket()));
                    ++left;
                }
            }
            CHECK(left == 150);
            lot.expire(far).clear();
            CHECK(lot.empty());
        }
    }
}
