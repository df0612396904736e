#include "pool/lobby.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/core/open_descriptors.hpp"
#include "tests/pool/hall.hpp"

using namespace bullpen;
using namespace bullpen::in_lobby;

namespace {

/// The number of descriptors that this process's epolls know.
std::size_t registrations() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;  // The listing's own descriptor.
        if (std::filesystem::read_symlink(entry, gone) != "anon_inode:[eventpoll]") continue;
        std::ifstream info{"/proc/self/fdinfo/" + entry.path().filename().string()};
        for (std::string line; std::getline(info, line);)
            if (line.starts_with("tfd:")) ++count;
    }
    return count;
}

}  // namespace

TEST_SUITE("pool: the lobby's parked clients") {
    TEST_CASE("a client that speaks waits for a worker, from then on, with all that it came with") {
        Hall hall;
        const long before = open_descriptors();
        for (int round = 0; round < 3; ++round) {
            const Guest guest = hall.park(tcp_sockets());
            hall.at(guest).file = UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
            hall.at(guest).resumption.state.fill(std::byte{7});
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
            CHECK(hall.at(guest).resumption.state.back() == std::byte{7});
            CHECK(hall.lobby.take_next() == guest.place);
            hall.connections.end(guest.place, Ending::completed());
        }
        CHECK(hall.header().parkings == 3);
        CHECK(open_descriptors() == before);
    }

    TEST_CASE(
        "while clients wait, a kept client that has spoken already waits at once, too; else it is parked") {
        for (const bool others_wait : {true, false}) {
            for (const bool has_spoken : {true, false}) {
                Hall hall;
                const Guest other = others_wait ? hall.queue(tcp_sockets()) : Guest{};
                SocketPair sockets = tcp_sockets();
                if (has_spoken) say(sockets.client, "x");
                const Guest guest = hall.park(std::move(sockets), {}, served, begin + 2s);
                CHECK(hall.waits(guest) == (others_wait && has_spoken));
                CHECK(hall.is_parked(guest) != hall.waits(guest));
                CHECK(hall.books_agree());
                if (hall.waits(guest)) CHECK(hall.at(guest).since == begin + 2s);
                CHECK(hall.header().parkings == (hall.waits(guest) ? 0 : 1));
            }
        }
    }

    TEST_CASE("a connection that a worker has reports nothing, and again what comes once it is parked") {
        for (auto* const sockets : {tcp_sockets, unix_sockets}) {
            Hall hall;
            const Guest guest = hall.park(sockets());
            for (int turn = 0; turn < 3; ++turn) {
                hall.say(guest);
                hall.back_to_a_worker(guest, begin);
                CHECK(hall.at(guest).registered);
                CHECK_FALSE(hall.at(guest).watched);
                say(guest.client, "y");
                hall.attend(begin);
                CHECK(hall.at(guest).where == Where::given);
                std::array<char, 16> read{};
                REQUIRE(::recv(hall.at(guest).socket.get(), read.data(), read.size(), 0) == 2);
                hall.park_again(guest, {}, begin);
                hall.attend(begin);
                CHECK(hall.is_parked(guest));
            }
        }
    }

    TEST_CASE("what was parked and has ended reports nothing, though another process still has its socket") {
        Hall hall;
        for (const bool has_spoken : {true, false}) {
            const std::size_t before = registrations();
            const Guest first = hall.park(tcp_sockets());
            CHECK(registrations() == before + 1);
            const UniqueFd elsewhere{::fcntl(hall.at(first).socket.get(), F_DUPFD_CLOEXEC, 0)};
            if (has_spoken) {
                hall.say(first);
                hall.back_to_a_worker(first, begin);
                hall.connections.end(first.place, Ending::completed());
            } else {
                REQUIRE(hall.lobby.evict_idle());
                CHECK(registrations() == before);
            }
            const Guest second = hall.park(tcp_sockets());
            REQUIRE(second.place.index == first.place.index);
            say(first.client, "x");
            pollfd there{.fd = elsewhere.get(), .events = POLLIN, .revents = 0};
            constexpr int patience_ms = 20'000;
            REQUIRE(::poll(&there, 1, patience_ms) == 1);
            hall.attend(begin);
            CHECK(hall.is_parked(second));
            REQUIRE(hall.lobby.evict_idle());
        }
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
                                entry.resumption.parking = some_parking();
                                entry.was_given = true;
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
