/// For tests: a lobby with made-up times, and what clients do there.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "pool/lobby.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/pool/events_in_test.hpp"

namespace bullpen::in_lobby {

using namespace std::chrono_literals;

inline const TimePoint begin = TimePoint{} + 1h;
inline const std::vector<std::string> one_listener = {"127.0.0.1:80"};
constexpr Parking in_a_head{.limit = Limit::header};
constexpr Parking half_a_head{.input_at_least = 2, .limit = Limit::header};
constexpr Parking sending{.what = Await::output, .limit = Limit::write};
constexpr bool served = true;

/// A connection in the lobby, and its client's end.
struct Guest {
    UniqueFd client;
    Place place;
};

/// A lobby and what is around it. Times are made up.
struct Hall {
    PoolOptions options;
    Scoreboard board{1};
    Admission admission{{}, one_listener};
    Connections connections{board, admission, ""};
    EventsInTest events;
    Lobby lobby{options, connections, board};

    explicit Hall(PoolOptions with = {}) : options{std::move(with)} {
        connections.limit(1000);
        lobby.watch_by(events);
    }

    /// Just accepted, and nowhere yet.
    Guest come(SocketPair sockets, TimePoint now = begin) {
        return {std::move(sockets.client), connections.add(std::move(sockets.server), Peer{}, 0, now)};
    }

    /// Given back by a worker, to be parked.
    Guest park(SocketPair sockets, Parking parking = {}, bool was_served = false, TimePoint now = begin) {
        Guest guest = come(std::move(sockets), now);
        connections.move(guest.place, Where::given);
        ConnectionEntry& entry = at(guest);
        entry.was_given = true;
        entry.served = was_served;
        park_again(guest, parking, now);
        return guest;
    }
    void park_again(const Guest& guest, Parking parking, TimePoint now) {
        at(guest).resumption.parking = parking;
        lobby.park(guest.place, now);
    }

    Guest queue(SocketPair sockets, Parking parking = {}, TimePoint now = begin) {
        Guest guest = come(std::move(sockets), now);
        at(guest).resumption.parking = parking;
        lobby.put_last(guest.place);
        return guest;
    }

    // What the client does, and the kernel has passed on.
    void say(const Guest& guest) {
        bullpen::say(guest.client, "x");
        until(guest, POLLIN);
    }
    void end(const Guest& guest) {
        ::shutdown(guest.client.get(), SHUT_WR);
        until(guest, POLLRDHUP);
    }
    void reset(Guest& guest) {
        reset_by(guest.client);
        until(guest, 0);
    }
    void until(const Guest& guest, short polled_for) {
        pollfd polled{.fd = at(guest).socket.get(), .events = polled_for, .revents = 0};
        constexpr int patience_ms = 20'000;
        REQUIRE(::poll(&polled, 1, patience_ms) == 1);
    }

    /// A turn after something has happened, which is waited for,
    void attend_to_news(TimePoint now = begin) {
        (void)lobby.prepare_to_wait(now);
        events.wait();
        lobby.attend(now);
    }
    /// and one at which nothing need have happened.
    void attend(TimePoint now) {
        (void)lobby.prepare_to_wait(now);
        events.look();
        lobby.attend(now);
    }

    ConnectionEntry& at(const Guest& guest) { return connections.at(guest.place); }
    [[nodiscard]] bool is_there(const Guest& guest) const { return connections.is_current(guest.place); }
    [[nodiscard]] bool waits(const Guest& guest) {
        return is_there(guest) && at(guest).where == Where::waiting;
    }
    [[nodiscard]] bool is_parked(const Guest& guest) {
        return is_there(guest) && at(guest).where == Where::parked;
    }

    /// What the client has sent is there: a worker gets it.
    void back_to_a_worker(const Guest& guest, TimePoint now) {
        attend(now);
        REQUIRE(lobby.take_next() == guest.place);
        connections.move(guest.place, Where::given);
    }
    std::chrono::nanoseconds pause_of(const Guest& guest, TimePoint now) {
        const TimePoint end = at(guest).look_again;
        return end == TimePoint{} ? 0ns : end - now;
    }

    std::vector<std::uint32_t> take_all() {
        std::vector<std::uint32_t> order;
        while (const auto client = lobby.take_first())
            order.push_back(client->index);
        while (const auto client = lobby.take_next())
            order.push_back(client->index);
        return order;
    }

    [[nodiscard]] const ScoreboardHeader& header() { return board.header(); }
    [[nodiscard]] std::uint64_t refused(Refusal why) {
        return header().refused[static_cast<std::size_t>(why)];
    }
    [[nodiscard]] std::uint64_t timed_out(Limit limit) {
        return header().timed_out[static_cast<std::size_t>(limit)];
    }
    [[nodiscard]] std::uint64_t lost(ExitReason why) { return header().lost[static_cast<std::size_t>(why)]; }

    /// What the table and the lobby say of one another.
    [[nodiscard]] bool books_agree() {
        return connections.size() == lobby.waiting() + lobby.parked() && header().queued == lobby.waiting() &&
               header().parked == lobby.parked();
    }
};

inline void want(int socket, int bytes) {
    REQUIRE(::setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0);
}

/// Fills what the kernel keeps for the client; says how much that is.
inline std::size_t fill(int socket) {
    const std::string bytes(65536, 'x');
    std::size_t sum = 0;
    for (ssize_t size; (size = ::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT)) > 0;)
        sum += static_cast<std::size_t>(size);
    return sum;
}

inline void drain(const UniqueFd& client, std::size_t size) {
    std::vector<char> buffer(size);
    REQUIRE(::recv(client.get(), buffer.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
}

inline PoolOptions with_queue(int longest, std::chrono::milliseconds wait) {
    PoolOptions options;
    options.queue = longest;
    options.queue_timeout = wait;
    return options;
}

inline std::vector<std::uint32_t> indexes_of(std::initializer_list<const Guest*> guests) {
    std::vector<std::uint32_t> indexes;
    for (const Guest* guest : guests)
        indexes.push_back(guest->place.index);
    return indexes;
}

}  // namespace bullpen::in_lobby
