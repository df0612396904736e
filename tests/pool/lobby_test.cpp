#include "pool/lobby.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "tests/core/open_descriptors.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/pool/events_in_test.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

const TimePoint begin = TimePoint{} + 1h;
const std::vector<std::string> one_listener = {"127.0.0.1:80"};
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
        entry.given_back = true;
        entry.served = was_served;
        park_again(guest, parking, now);
        return guest;
    }
    void park_again(const Guest& guest, Parking parking, TimePoint now) {
        at(guest).parking = parking;
        lobby.park(guest.place, now);
    }

    Guest queue(SocketPair sockets, Parking parking = {}, TimePoint now = begin) {
        Guest guest = come(std::move(sockets), now);
        at(guest).parking = parking;
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

void want(int socket, int bytes) {
    REQUIRE(::setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0);
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

PoolOptions with_queue(int longest, std::chrono::milliseconds wait) {
    PoolOptions options;
    options.queue = longest;
    options.queue_timeout = wait;
    return options;
}

std::vector<std::uint32_t> indexes_of(std::initializer_list<const Guest*> guests) {
    std::vector<std::uint32_t> indexes;
    for (const Guest* guest : guests)
        indexes.push_back(guest->place.index);
    return indexes;
}

}  // namespace

TEST_SUITE("pool: the lobby's parked clients") {
    TEST_CASE("a client that speaks waits for a worker, from then on, with all that it came with") {
        Hall hall;
        const long before = open_descriptors();
        for (int round = 0; round < 3; ++round) {
            const Guest guest = hall.park(tcp_sockets());
            hall.at(guest).file = UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
            hall.at(guest).state.fill(std::byte{7});
            hall.at(guest).cookie = 9;
            hall.attend(begin);
            CHECK(hall.is_parked(guest));
            CHECK(hall.lobby.parked() == 1);
            say(guest.client, "x");
            hall.attend_to_news(begin + 3s);
            REQUIRE(hall.waits(guest));
            CHECK(hall.lobby.parked() == 0);
            CHECK(hall.books_agree());
            CHECK(hall.at(guest).since == begin + 3s);
            CHECK(hall.at(guest).file);
            CHECK(hall.at(guest).state.back() == std::byte{7});
            CHECK(hall.at(guest).cookie == 9);
            CHECK(hall.lobby.take_next() == guest.place);
            hall.connections.end(guest.place, Ending::completed());
        }
        CHECK(hall.header().parkings == 3);
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("a new client is parked only where it is to be handed over readable, and isn't yet") {
        for (const HandoffWhen when : {HandoffWhen::accepted, HandoffWhen::readable}) {
            PoolOptions options;
            options.handoff_when = when;
            Hall hall{options};
            const Guest silent = hall.come(tcp_sockets());
            const Guest spoken = hall.come(tcp_sockets());
            hall.say(spoken);
            const bool at_once = when == HandoffWhen::accepted;
            CHECK(hall.lobby.receive(silent.place, begin) == at_once);
            CHECK(hall.is_parked(silent) == !at_once);
            CHECK(hall.lobby.receive(spoken.place, begin));
        }
    }

    TEST_CASE("who ends its side has left, unless it has said something before") {
        for (auto* const sockets : {tcp_sockets, unix_sockets}) {
            Hall hall;
            Guest silent = hall.park(sockets());
            ::shutdown(silent.client.get(), SHUT_WR);
            hall.attend_to_news();
            CHECK_FALSE(hall.is_there(silent));
            Guest gone = hall.park(sockets());
            gone.client.reset();
            hall.attend_to_news();
            CHECK_FALSE(hall.is_there(gone));
            CHECK(hall.header().client_aborted == 2);
            Guest brief = hall.park(sockets());
            say(brief.client, "bye");
            brief.client.reset();
            hall.attend_to_news();
            CHECK(hall.waits(brief));
            CHECK(hall.books_agree());
        }
    }

    TEST_CASE("who ends its side after a request, or where nothing is expected any more, has completed") {
        Hall hall;
        for (const auto& [parking, was_served] :
             {std::pair{Parking{}, served}, {Parking{.limit = Limit::none}, !served}}) {
            Guest guest = hall.park(tcp_sockets(), parking, was_served);
            guest.client.reset();
            hall.attend_to_news();
        }
        CHECK(hall.header().completed == 2);
        CHECK(hall.books_agree());
    }

    TEST_CASE("who resets has broken off, even after a request") {
        Hall hall;
        Guest rude = hall.park(tcp_sockets(), {}, served);
        reset_by(rude.client);
        hall.attend_to_news();
        CHECK(hall.header().client_aborted == 1);
        SocketPair sockets = unix_sockets();
        say(sockets.server, "never read");
        Guest deaf = hall.park(std::move(sockets), {}, served);
        deaf.client.reset();
        hall.attend_to_news();
        CHECK(hall.header().client_aborted == 2);
    }

    TEST_CASE("half a head doesn't wake anybody until there is more of it, or its end") {
        for (const bool ends : {false, true}) {
            Hall hall;
            SocketPair sockets = tcp_sockets();
            say(sockets.client, "half");
            want(sockets.server.get(), 5);
            const Guest guest = hall.park(std::move(sockets), {.input_at_least = 5, .limit = Limit::header});
            hall.attend(begin);
            CHECK(hall.is_parked(guest));
            if (ends)
                ::shutdown(guest.client.get(), SHUT_WR);
            else
                say(guest.client, "!");
            hall.attend_to_news();
            CHECK(hall.waits(guest));
        }
    }

    TEST_CASE("who waits for room to write goes on when the client has taken a part, and ends at a reset") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            Hall hall;
            SocketPair sockets = make();
            const std::size_t filled = fill(sockets.server.get());
            const Guest slow = hall.park(std::move(sockets), sending);
            CHECK(hall.at(slow).unsent > 0);
            say(slow.client, "what it says is not waited for");
            hall.attend(begin);
            CHECK(hall.is_parked(slow));
            drain(slow.client, filled);
            hall.attend_to_news();
            CHECK(hall.waits(slow));
        }
        Hall hall;
        SocketPair sockets = tcp_sockets();
        fill(sockets.server.get());
        Guest gone = hall.park(std::move(sockets), sending);
        reset_by(gone.client);
        hall.attend_to_news();
        CHECK(hall.header().client_aborted == 1);
    }

    TEST_CASE("several wait in the order in which they spoke") {
        Hall hall;
        std::vector<Guest> guests;
        for (int i = 0; i < 5; ++i)
            guests.push_back(hall.park(tcp_sockets()));
        for (const std::size_t i : {3U, 0U, 4U})
            hall.say(guests[i]);
        hall.attend_to_news();
        CHECK(hall.take_all() == indexes_of({&guests[3], &guests[0], &guests[4]}));
        CHECK(hall.lobby.parked() == 2);
    }

    TEST_CASE("a thousand come and go, a bounded number in a turn, and none is mistaken for another") {
        Hall hall;
        std::vector<Guest> guests;
        for (int round = 0; round < 3; ++round) {
            guests.clear();
            for (int i = 0; i < 300; ++i)
                guests.push_back(hall.park(unix_sockets()));
            for (std::size_t i = 0; i < guests.size(); i += 2)
                say(guests[i].client, std::to_string(guests[i].place.index));
            std::size_t spoken = 0;
            int turns = 0;
            while (spoken < 150) {
                ++turns;
                hall.attend_to_news();
                while (const auto client = hall.lobby.take_next()) {
                    std::array<char, 16> name{};
                    (void)!::recv(hall.connections.at(*client).socket.get(), name.data(), name.size() - 1, 0);
                    CHECK(name.data() == std::to_string(client->index));
                    ++spoken;
                    hall.connections.end(*client, Ending::completed());
                }
            }
            CHECK(turns == 2);
            CHECK(hall.lobby.parked() == 150);
            hall.lobby.lose_all(ExitReason::drain_limit);
            CHECK(hall.connections.size() == 0);
        }
    }

    TEST_CASE("who is parked no more reports no more, though another process still has the socket") {
        const auto by_speaking = [](Hall& hall, const UniqueFd& client) {
            say(client, "x");
            hall.attend_to_news();
            REQUIRE(hall.lobby.take_next());
        };
        const auto by_time = [](Hall& hall, const UniqueFd&) { hall.attend(begin + 2h); };
        const auto by_eviction = [](Hall& hall, const UniqueFd&) { REQUIRE(hall.lobby.evict_idle()); };
        const auto by_loss = [](Hall& hall, const UniqueFd&) {
            hall.lobby.lose_all(ExitReason::drain_limit);
        };
        using Leave = void (*)(Hall&, const UniqueFd&);
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const Leave leave :
                 {Leave{by_speaking}, Leave{by_time}, Leave{by_eviction}, Leave{by_loss}}) {
                Hall hall;
                SocketPair sockets = make();
                const UniqueFd elsewhere{::fcntl(sockets.server.get(), F_DUPFD_CLOEXEC, 0)};
                const Guest guest = hall.park(std::move(sockets));
                leave(hall, guest.client);
                CHECK(hall.lobby.parked() == 0);
                const Guest other =
                    hall.park(make(), {}, !served, begin + 2h);  // So that there is somebody to watch.
                say(guest.client, "y");
                hall.attend(begin + 2h);
                CHECK(hall.is_parked(other));
                CHECK(hall.lobby.waiting() == 0);
            }
        }
    }

    TEST_CASE("a client that can't be watched is looked after by a worker, or closed between two requests") {
        Hall hall;
        const auto park_unwatchable = [&](Parking parking, bool was_served, TimePoint now) {
            // epoll refuses regular files; of sockets it would want memory.
            SocketPair file{.server = UniqueFd{::open("/proc/self/status", O_RDONLY | O_CLOEXEC)},
                            .client = {}};
            return hall.park(std::move(file), parking, was_served, now);
        };
        const Guest begun = park_unwatchable(in_a_head, !served, begin);
        CHECK(hall.waits(begun));
        (void)park_unwatchable({}, served, begin);
        CHECK(hall.header().completed == 1);
        (void)park_unwatchable({}, !served, begin);
        CHECK(hall.refused(Refusal::connections) == 1);
        CHECK(hall.lobby.parked() == 0);
        CHECK(hall.books_agree());
        const Guest guest = hall.park(tcp_sockets());
        CHECK(hall.is_parked(guest));
    }

    TEST_CASE("a client that can't be watched begins to wait for a worker when it comes back from one") {
        Hall hall{with_queue(10, 1s)};
        SocketPair file{.server = UniqueFd{::open("/proc/self/status", O_RDONLY | O_CLOEXEC)}, .client = {}};
        const Guest guest = hall.park(std::move(file), sending);
        REQUIRE(hall.lobby.take_next() == guest.place);
        hall.connections.move(guest.place, Where::given);
        hall.park_again(guest, in_a_head, begin + 5s);
        CHECK(hall.at(guest).since == begin + 5s);
        hall.lobby.keep_queue_short(begin + 5s);
        CHECK(hall.waits(guest));
    }

    TEST_CASE("who has been idle for longest is closed first, and who is in the middle of something never") {
        Hall hall;
        const Guest begun = hall.park(tcp_sockets(), in_a_head);
        SocketPair full = tcp_sockets();
        fill(full.server.get());
        const Guest slow = hall.park(std::move(full), {.what = Await::output, .limit = Limit::idle});
        const Guest lingering = hall.park(tcp_sockets(), {.limit = Limit::none});
        std::vector<Guest> idle;
        for (int i = 0; i < 4; ++i)
            idle.push_back(hall.park(tcp_sockets(), {}, i == 3));
        say(idle[1].client, "x");
        hall.attend_to_news();  // It leaves from the middle of the list.
        CHECK(hall.waits(idle[1]));
        for (const std::size_t next : {0U, 2U, 3U}) {
            CHECK(hall.is_there(idle[next]));
            CHECK(hall.lobby.evict_idle());
            CHECK_FALSE(hall.is_there(idle[next]));
        }
        CHECK(hall.refused(Refusal::connections) == 2);
        CHECK(hall.header().completed == 1);  // It had been served before.
        CHECK_FALSE(hall.lobby.evict_idle());
        CHECK(hall.lobby.parked() == 3);
        const Guest another = hall.park(tcp_sockets());
        CHECK(hall.lobby.evict_idle());
        CHECK_FALSE(hall.is_there(another));
        CHECK(hall.books_agree());
    }
}

TEST_SUITE("pool: the lobby's deadlines") {
    TEST_CASE("each limit has its own time and counter, and silence beyond it ends the connection") {
        const TimeLimits limits;
        for (const auto& [parking, time] :
             {std::pair{Parking{.limit = Limit::idle}, limits.idle},
              {Parking{.limit = Limit::header}, limits.header},
              {Parking{.limit = Limit::body}, limits.body},
              {Parking{.limit = Limit::read}, limits.read},
              {Parking{.what = Await::output, .limit = Limit::write}, limits.write}}) {
            Hall hall;
            SocketPair sockets = tcp_sockets();
            if (parking.what == Await::output) fill(sockets.server.get());
            const Guest guest = hall.park(std::move(sockets), parking);
            hall.attend(begin + time - 1ns);
            CHECK(hall.is_parked(guest));
            hall.attend(begin + time + 1s);  // They are looked at every second.
            CHECK_FALSE(hall.is_there(guest));
            CHECK(hall.timed_out(parking.limit) == 1);
            CHECK(hall.books_agree());
        }
    }

    TEST_CASE("a deadline that the worker names holds, but never beyond an hour") {
        const auto ns = [](TimePoint time) {
            return static_cast<std::uint64_t>(time.time_since_epoch().count());
        };
        for (const auto& [named, expected] : {std::pair{ns(begin + 3s), begin + 3s},
                                              {ns(begin - 3s), begin - 3s},
                                              {ns(begin + 1h + 1ns), begin + 1h},
                                              {~std::uint64_t{0}, begin + 1h},
                                              {std::uint64_t{1} << 63, begin + 1h},
                                              {std::uint64_t{1}, TimePoint{} + 1ns}}) {
            Hall hall;
            const Guest guest = hall.park(tcp_sockets(), {.deadline_ns = named, .limit = Limit::header});
            CHECK(hall.at(guest).deadline == expected);
        }
    }

    TEST_CASE("who was only waited for a while has completed then") {
        Hall hall;
        (void)hall.park(tcp_sockets(), {.limit = Limit::none});
        hall.attend(begin + 2h);
        CHECK(hall.header().completed == 1);
    }

    TEST_CASE("what came in time counts, though the server only sees it after the deadline") {
        for (const Parking parking : {Parking{}, in_a_head, half_a_head, Parking{.limit = Limit::body}}) {
            Hall hall;
            const Guest spoken = hall.park(tcp_sockets(), parking);
            hall.say(spoken);
            hall.lobby.attend(begin + 2h);  // Without a word from the epoll.
            CHECK(hall.waits(spoken));
            CHECK(hall.timed_out(parking.limit) == 0);
            const Guest ended = hall.park(tcp_sockets(), parking, served, begin + 2h);
            hall.end(ended);
            hall.lobby.attend(begin + 4h);
            CHECK(hall.header().completed == 1);
            CHECK(hall.books_agree());
        }
    }

    TEST_CASE("room that came in time counts, too") {
        Hall hall;
        SocketPair sockets = unix_sockets();
        const std::size_t filled = fill(sockets.server.get());
        const Guest slow = hall.park(std::move(sockets), sending);
        drain(slow.client, filled);
        hall.lobby.attend(begin + 2h);
        CHECK(hall.waits(slow));
    }

    TEST_CASE("who takes its answer slowly but steadily is let alone, and who stops is not") {
        constexpr std::size_t some = 65'536;
        PoolOptions options;
        options.time_limits.write = 30s;
        options.time_limits.write_rate = 500;  // `some` earns more than all of that.
        Hall hall{options};
        SocketPair sockets = unix_sockets();
        REQUIRE(fill(sockets.server.get()) > 2 * some);
        const Guest slow = hall.park(std::move(sockets), sending);
        drain(slow.client, some);
        hall.attend(begin + 30s);
        REQUIRE(hall.is_parked(slow));
        CHECK(hall.at(slow).deadline == begin + 60s);
        hall.attend(begin + 60s - 1ns);
        CHECK(hall.is_parked(slow));
        hall.attend(begin + 61s);
        CHECK(hall.timed_out(Limit::write) == 1);
    }

    TEST_CASE("who takes less than the rate earns only so much time") {
        constexpr std::size_t some = 65'536;
        for (const bool in_time : {true, false}) {
            PoolOptions options;
            options.time_limits.write = 30s;
            options.time_limits.write_rate = 60'000;  // `some` earns 1 to 2 seconds.
            Hall hall{options};
            SocketPair sockets = unix_sockets();
            fill(sockets.server.get());
            const Guest slow = hall.park(std::move(sockets), sending);
            drain(slow.client, some);
            hall.attend(begin + (in_time ? 30s : 33s));
            CHECK(hall.is_parked(slow) == in_time);
            if (!in_time) continue;
            CHECK(hall.at(slow).deadline > begin + 31s);
            CHECK(hall.at(slow).deadline < begin + 33s);
        }
    }

    TEST_CASE("progress moves no deadline but that of writing") {
        Hall hall;
        SocketPair sockets = unix_sockets();
        fill(sockets.server.get());
        const Guest slow = hall.park(std::move(sockets), {.what = Await::output, .limit = Limit::idle});
        drain(slow.client, 65'536);
        hall.attend(begin + 2h);
        CHECK(hall.timed_out(Limit::idle) == 1);
    }
}

TEST_SUITE("pool: dripping clients in the lobby") {
    TEST_CASE("the pause doubles from 1 ms to 250 ms, and there is none the first time") {
        Hall hall;
        const Guest guest = hall.park(tcp_sockets(), half_a_head);
        hall.say(guest);
        TimePoint now = begin;
        for (const auto pause : {0ms, 1ms, 2ms, 4ms, 8ms, 16ms, 32ms, 64ms, 128ms, 250ms, 250ms, 250ms}) {
            CHECK(hall.pause_of(guest, now) == pause);
            if (pause != 0ms) {
                CHECK(hall.lobby.prepare_to_wait(now) == now + pause);
                hall.attend(now + pause - 1ns);
                REQUIRE(hall.is_parked(guest));
            }
            now += pause;
            hall.back_to_a_worker(guest, now);
            hall.park_again(guest, half_a_head, now);
        }
    }

    TEST_CASE("the options say how long the pauses are") {
        PoolOptions options;
        options.drip_pause_min = 3ms;
        options.drip_pause_max = 10ms;
        Hall hall{options};
        const Guest guest = hall.park(tcp_sockets(), half_a_head);
        hall.say(guest);
        for (const auto pause : {0ms, 3ms, 6ms, 10ms, 10ms}) {
            CHECK(hall.pause_of(guest, begin) == pause);
            hall.back_to_a_worker(guest, begin + pause);
            hall.park_again(guest, half_a_head, begin);
        }
    }

    TEST_CASE("however long it drips, the pause stays the longest") {
        Hall hall;
        const Guest guest = hall.park(tcp_sockets(), half_a_head);
        hall.say(guest);
        TimePoint now = begin;
        for (int i = 0; i < 600; ++i) {  // More than a byte counts.
            now += 250ms;
            hall.back_to_a_worker(guest, now);
            hall.park_again(guest, half_a_head, now);
            if (i >= 9) REQUIRE(hall.pause_of(guest, now) == 250ms);
        }
    }

    TEST_CASE("a whole message ends it: the half one after it has no pause") {
        for (const Parking whole : {Parking{}, sending, Parking{.limit = Limit::body}}) {
            Hall hall;
            const Guest guest = hall.park(tcp_sockets(), half_a_head);
            hall.say(guest);
            TimePoint now = begin;
            const auto next = [&](Parking parking) {
                now += 1s;
                hall.back_to_a_worker(guest, now);
                hall.park_again(guest, parking, now);
                return hall.pause_of(guest, now);
            };
            for (const auto pause : {1ms, 2ms, 4ms, 8ms})
                CHECK(next(half_a_head) == pause);
            CHECK(next(whole) == 0ms);
            CHECK(next(half_a_head) == 0ms);
            CHECK(next(half_a_head) == 1ms);
        }
    }

    TEST_CASE("pauses of different lengths end each at its own time, whoever began first") {
        Hall hall;
        std::vector<Guest> guests;
        for (int drips = 5; drips >= 2; --drips) {  // The first have the longest.
            const Guest& guest = guests.emplace_back(hall.park(tcp_sockets(), half_a_head));
            hall.say(guest);
            for (int i = 1; i < drips; ++i) {
                const TimePoint now = begin - (drips - 1 - i) * 1s;
                hall.back_to_a_worker(guest, now);
                hall.park_again(guest, half_a_head, now);
            }
        }
        for (const auto& [guest, pause] : {std::pair{3U, 1ms}, {2U, 2ms}, {1U, 4ms}, {0U, 8ms}}) {
            CHECK(hall.pause_of(guests[guest], begin) == pause);
            CHECK(hall.lobby.prepare_to_wait(begin) == begin + pause);
            hall.attend(begin + pause);
            CHECK(hall.lobby.take_next() == guests[guest].place);
            CHECK_FALSE(hall.lobby.take_next());
        }
        CHECK(hall.lobby.prepare_to_wait(begin + 8ms) == TimePoint::max());
    }

    /// In its pause of 1 ms.
    struct Resting {
        Hall hall;
        Guest guest = hall.park(tcp_sockets(), half_a_head);

        explicit Resting(Parking parking = half_a_head) {
            hall.say(guest);
            hall.back_to_a_worker(guest, begin);
            std::array<char, 8> read{};
            REQUIRE(::recv(hall.at(guest).socket.get(), read.data(), read.size(), 0) == 1);
            hall.park_again(guest, parking, begin);
            REQUIRE(hall.pause_of(guest, begin) == 1ms);
        }
    };

    TEST_CASE("who says nothing during its pause is watched after it") {
        Resting resting;
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.is_parked(resting.guest));
        CHECK(resting.hall.pause_of(resting.guest, begin) == 0ms);
        CHECK(resting.hall.lobby.prepare_to_wait(begin + 1ms) == TimePoint::max());
        say(resting.guest.client, "x");
        resting.hall.attend_to_news(begin + 2ms);
        CHECK(resting.hall.waits(resting.guest));
    }

    TEST_CASE("who leaves during its pause is seen off after it") {
        Resting resting;
        resting.hall.reset(resting.guest);
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.header().client_aborted == 1);
        CHECK(resting.hall.books_agree());
    }

    TEST_CASE("whose deadline passes during its pause is timed out, unless it has spoken") {
        for (const bool spoke : {false, true}) {
            const auto deadline = begin.time_since_epoch() + 1us;
            Resting resting{{.deadline_ns = static_cast<std::uint64_t>(deadline.count()),
                             .input_at_least = 2,
                             .limit = Limit::header}};
            if (spoke) resting.hall.say(resting.guest);
            resting.hall.lobby.begin_stop(begin);  // From then on deadlines are looked at in every turn.
            resting.hall.attend(begin + 10us);
            CHECK(resting.hall.waits(resting.guest) == spoke);
            CHECK(resting.hall.timed_out(Limit::header) == (spoke ? 0 : 1));
            CHECK(resting.hall.lobby.prepare_to_wait(begin + 10us) == TimePoint::max());
        }
    }

    TEST_CASE(
        "who pauses between two requests can be closed once its pause is over, and is hastened at a stop") {
        constexpr Parking idle_with_a_part{.input_at_least = 2, .limit = Limit::idle};
        Resting resting{idle_with_a_part};
        const Guest other = resting.hall.park(tcp_sockets());
        CHECK(resting.hall.lobby.evict_idle());
        CHECK_FALSE(resting.hall.is_there(other));
        CHECK_FALSE(resting.hall.lobby.evict_idle());
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.lobby.evict_idle());
        CHECK(resting.hall.books_agree());
        Resting stopping{idle_with_a_part};
        stopping.hall.lobby.begin_stop(begin);
        CHECK(stopping.hall.at(stopping.guest).deadline == begin + stopping.hall.options.stop_patience);
    }

    TEST_CASE("who is lost during its pause is in no list any more") {
        Resting resting;
        resting.hall.lobby.lose_all(ExitReason::drain_limit);
        CHECK(resting.hall.lobby.prepare_to_wait(begin) == TimePoint::max());
        resting.hall.attend(begin + 1ms);
        CHECK(resting.hall.books_agree());
    }
}

TEST_SUITE("pool: the lobby's queue") {
    TEST_CASE("who was given once already goes first, and among those each keeps its turn") {
        Hall hall;
        const Guest queued = hall.queue(unix_sockets());
        const Guest last = hall.queue(unix_sockets());
        const Guest back = hall.come(unix_sockets());
        const Guest back_too = hall.come(unix_sockets());
        const Guest before_others = hall.come(unix_sockets());
        CHECK_FALSE(hall.lobby.goes_first());
        for (const Guest* guest : {&back, &back_too, &before_others})
            hall.connections.move(guest->place, Where::given);
        hall.lobby.put_first(back.place);
        hall.lobby.put_first(back_too.place);
        hall.lobby.put_before_others(before_others.place);
        CHECK(hall.lobby.goes_first());
        CHECK(hall.lobby.queued() == 3);
        CHECK(hall.lobby.waiting() == 5);
        CHECK(hall.books_agree());
        CHECK(hall.take_all() == indexes_of({&back, &back_too, &before_others, &queued, &last}));
        CHECK_FALSE(hall.lobby.goes_first());
        CHECK_FALSE(hall.lobby.take_first());
        CHECK_FALSE(hall.lobby.take_next());
        CHECK(hall.lobby.waiting() == 0);
    }

    TEST_CASE("queue and backlog take turns") {
        Hall hall;
        const bool first = hall.lobby.has_turn();
        for (int i = 0; i < 3; ++i) {
            CHECK(hall.lobby.has_turn() != first);
            CHECK(hall.lobby.has_turn() == first);
        }
    }

    TEST_CASE("the last of a queue that is too long are refused, and those stay whose answer has begun") {
        Hall hall{with_queue(2, 1h)};
        std::vector<Guest> guests;
        for (const Parking parking :
             {Parking{}, sending, in_a_head, Parking{.limit = Limit::read}, Parking{}, Parking{}})
            guests.push_back(hall.queue(unix_sockets(), parking));
        const Guest back = hall.come(unix_sockets());
        hall.lobby.put_first(back.place);  // Isn't part of the queue.
        hall.lobby.keep_queue_short(begin);
        CHECK(hall.refused(Refusal::overload) == 4);
        CHECK(hall.take_all() == indexes_of({&back, &guests[1], &guests[3]}));
        for (int i = 0; i < 2; ++i)
            (void)hall.queue(unix_sockets());
        hall.lobby.keep_queue_short(begin);
        CHECK(hall.lobby.queued() == 2);
    }

    TEST_CASE("who has waited for queue_timeout is refused, at any time of the clock") {
        for (const TimePoint since : {TimePoint{}, TimePoint{} + 1ns, TimePoint{} + 5ms, begin}) {
            Hall hall{with_queue(10, 1s)};
            const Guest early = hall.queue(unix_sockets(), {}, since);
            const Guest begun = hall.queue(unix_sockets(), sending, since);
            const Guest late = hall.queue(unix_sockets(), {}, since + 100ms);
            for (const auto later : {0ns, 1ns, 1'000'000ns, 999'999'999ns}) {
                hall.lobby.keep_queue_short(since + later);
                REQUIRE(hall.lobby.queued() == 3);
            }
            hall.lobby.keep_queue_short(since + 1s);
            CHECK_FALSE(hall.is_there(early));
            CHECK(hall.waits(begun));
            CHECK(hall.waits(late));
            hall.lobby.keep_queue_short(since + 1100ms);
            CHECK_FALSE(hall.is_there(late));
            CHECK(hall.waits(begun));
            CHECK(hall.refused(Refusal::overload) == 2);
            CHECK(hall.books_agree());
        }
    }

    TEST_CASE("without a bound nobody is refused") {
        Hall hall{with_queue(0, 1s)};
        for (int i = 0; i < 100; ++i)
            (void)hall.queue(unix_sockets());
        hall.lobby.keep_queue_short(begin + 1h);
        CHECK(hall.lobby.queued() == 100);
    }

    TEST_CASE("while somebody's wait is bounded, it is looked at several times") {
        Hall hall{with_queue(10, 1s)};
        CHECK(hall.lobby.prepare_to_wait(begin) == TimePoint::max());
        (void)hall.queue(unix_sockets());
        CHECK(hall.lobby.prepare_to_wait(begin) == begin + 125ms);
        Hall hasty{with_queue(10, 8ms)};
        (void)hasty.queue(unix_sockets());
        CHECK(hasty.lobby.prepare_to_wait(begin) == begin + 10ms);
    }

    TEST_CASE("broken clients leave the queue, and those stay that may still want an answer") {
        Hall hall;
        Guest reset = hall.queue(tcp_sockets());
        Guest reset_after_words = hall.queue(tcp_sockets());
        Guest half_closed = hall.queue(tcp_sockets());
        Guest half_closed_after_words = hall.queue(tcp_sockets());
        Guest gone = hall.queue(unix_sockets());
        Guest gone_after_words = hall.queue(unix_sockets());
        Guest there = hall.queue(tcp_sockets());
        for (const Guest* guest : {&reset_after_words, &half_closed_after_words, &gone_after_words})
            hall.say(*guest);
        hall.reset(reset);
        hall.reset(reset_after_words);
        hall.end(half_closed);
        hall.end(half_closed_after_words);
        gone.client.reset();
        gone_after_words.client.reset();
        hall.attend(begin);
        CHECK(hall.header().client_aborted == 3);
        CHECK(hall.books_agree());
        CHECK(hall.take_all() ==
              indexes_of({&half_closed, &half_closed_after_words, &gone_after_words, &there}));
    }

    TEST_CASE("the queue is looked through ten times a second, not in every turn") {
        Hall hall;
        hall.attend(begin);
        Guest first = hall.queue(tcp_sockets());
        hall.reset(first);
        hall.attend(begin + 1ms);
        CHECK_FALSE(hall.is_there(first));  // Nobody was there to look at before.
        Guest second = hall.queue(tcp_sockets());
        hall.reset(second);
        hall.attend(begin + 100ms);
        CHECK(hall.waits(second));
        hall.attend(begin + 101ms);
        CHECK_FALSE(hall.is_there(second));
    }

    TEST_CASE("of a long queue the first are looked at, however many they are") {
        Hall hall;
        std::vector<Guest> guests;
        for (int i = 0; i < 300; ++i) {
            guests.push_back(hall.queue(unix_sockets()));
            if (i % 3 == 0) guests.back().client.reset();
        }
        for (int i = 0; i < 3; ++i)
            hall.attend(begin + i * 100ms);
        CHECK(hall.header().client_aborted == 100);
        CHECK(hall.lobby.queued() == 200);
    }
}

TEST_SUITE("pool: the lobby at a stop") {
    TEST_CASE("the idle ones are hastened, each kind to its own deadline, and who is in the middle is not") {
        Hall hall;
        const Guest silent = hall.park(tcp_sockets());
        const Guest after_request = hall.park(tcp_sockets(), {}, served);
        const Guest begun = hall.park(tcp_sockets(), in_a_head);
        const auto soon = static_cast<std::uint64_t>((begin + 10ms).time_since_epoch().count());
        const Guest hurried = hall.park(tcp_sockets(), {.deadline_ns = soon}, served);
        hall.lobby.begin_stop(begin);
        hall.attend(begin + 9ms);
        CHECK(hall.lobby.parked() == 4);
        hall.attend(begin + 10ms);
        CHECK_FALSE(hall.is_there(hurried));
        hall.attend(begin + hall.options.stop_settle - 1ns);
        CHECK(hall.lobby.parked() == 3);
        hall.attend(begin + hall.options.stop_settle);
        CHECK_FALSE(hall.is_there(after_request));
        CHECK(hall.header().completed == 2);
        hall.attend(begin + hall.options.stop_patience - 1ns);
        CHECK(hall.is_parked(silent));
        hall.attend(begin + hall.options.stop_patience);
        CHECK(hall.refused(Refusal::stopping) == 1);
        CHECK(hall.is_parked(begun));
        hall.attend(begin + hall.options.time_limits.header);
        CHECK(hall.timed_out(Limit::header) == 1);
        CHECK(hall.connections.size() == 0);
    }

    TEST_CASE("who comes back between two requests during the stop, or comes new, isn't waited for either") {
        Hall hall;
        hall.lobby.begin_stop(begin);
        const Guest after_request = hall.park(tcp_sockets(), {}, served, begin + 5s);
        const Guest silent = hall.park(tcp_sockets(), {}, !served, begin + 5s);
        CHECK(hall.at(after_request).deadline == begin + 5s + hall.options.stop_settle);
        CHECK(hall.at(silent).deadline == begin + 5s + hall.options.stop_patience);
    }

    TEST_CASE("a request that comes within that time is served") {
        Hall hall;
        const Guest guest = hall.park(tcp_sockets(), {}, served);
        hall.lobby.begin_stop(begin);
        hall.say(guest);
        hall.attend(begin + 1h);
        CHECK(hall.waits(guest));
    }

    TEST_CASE("at its end all that are left are lost, wherever they are") {
        Hall hall;
        const Guest watched = hall.park(tcp_sockets());
        const Guest begun = hall.park(tcp_sockets(), in_a_head);
        const Guest queued = hall.queue(tcp_sockets());
        const Guest back = hall.come(tcp_sockets());
        hall.lobby.put_first(back.place);
        const Guest given = hall.come(tcp_sockets());
        hall.connections.move(given.place, Where::given);  // Not ours to lose.
        hall.lobby.lose_all(ExitReason::drain_limit);
        CHECK(hall.lost(ExitReason::drain_limit) == 4);
        CHECK(hall.lobby.waiting() == 0);
        CHECK(hall.lobby.parked() == 0);
        CHECK(hall.is_there(given));
        CHECK(hall.connections.size() == 1);
        CHECK_FALSE(hall.lobby.evict_idle());
    }
}

TEST_SUITE("pool: the lobby as a whole") {
    TEST_CASE("in any sequence of what clients and workers do, its books agree with the table's") {
        for (const unsigned seed : {1U, 2U, 3U}) {
            std::mt19937 random{seed};
            PoolOptions options = with_queue(8, 3s);
            options.handoff_when = HandoffWhen::readable;
            Hall hall{options};
            std::vector<Guest> guests;
            TimePoint now = TimePoint{} + 5ms;
            const auto some_parking = [&random] {
                Parking parking;
                parking.what = random() % 4 == 0 ? Await::output : Await::input;
                parking.input_at_least = random() % 2 == 0 ? 1 : 2;
                parking.limit = static_cast<Limit>(random() % limits_count);
                return parking;
            };
            for (int step = 0; step < 3000; ++step) {
                now += random() % 50 * 1ms;
                const auto guest = guests.begin() +
                                   static_cast<std::ptrdiff_t>(guests.empty() ? 0 : random() % guests.size());
                switch (random() % 10) {
                    case 0:
                    case 1: {
                        if (guests.size() >= 30) break;
                        Guest& fresh = guests.emplace_back(
                            hall.come(random() % 2 == 0 ? tcp_sockets() : unix_sockets(), now));
                        if (random() % 4 == 0) say(fresh.client, "x");
                        if (hall.lobby.receive(fresh.place, now)) hall.lobby.put_last(fresh.place);
                        break;
                    }
                    case 2:
                    case 3:
                        if (!guests.empty() && hall.is_there(*guest) && guest->client)
                            (void)::send(guest->client.get(), "x", 1, MSG_NOSIGNAL);
                        break;
                    case 4:
                        if (guests.empty()) break;
                        random() % 2 == 0 ? guest->client.reset() : reset_by(guest->client);
                        break;
                    case 5:
                    case 6: {  // A worker takes one, and parks it, ends it or never receives it.
                        auto client = hall.lobby.take_first();
                        if (!client) client = hall.lobby.take_next();
                        if (!client) break;
                        hall.connections.move(*client, Where::given);
                        ConnectionEntry& entry = hall.connections.at(*client);
                        std::array<char, 16> read{};
                        switch (random() % 5) {
                            case 0: hall.connections.end(*client, Ending::in_worker()); break;
                            case 1: hall.lobby.put_first(*client); break;
                            case 2: hall.lobby.put_before_others(*client); break;
                            default:
                                (void)::recv(entry.socket.get(), read.data(), read.size(), MSG_DONTWAIT);
                                entry.parking = some_parking();
                                entry.given_back = true;
                                entry.served = entry.served || random() % 2 == 0;
                                hall.lobby.park(*client, now);
                        }
                        break;
                    }
                    case 7: hall.lobby.keep_queue_short(now); break;
                    case 8: (void)hall.lobby.evict_idle(); break;
                    default: hall.attend(now);
                }
                if (step == 2800) hall.lobby.begin_stop(now);
                std::erase_if(guests, [&](const Guest& one) { return !hall.is_there(one); });
                REQUIRE(hall.connections.size() == guests.size());
                REQUIRE(hall.books_agree());
            }
            hall.lobby.lose_all(ExitReason::drain_limit);
            CHECK(hall.connections.size() == 0);
            CHECK(hall.books_agree());
        }
    }
}
