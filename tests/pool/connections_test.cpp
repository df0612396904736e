#include "pool/connections.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <list>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/open_descriptors.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

const TimePoint now = TimePoint{} + 5ms;
const std::vector<std::string> one_listener = {"127.0.0.1:80"};
const Peer somebody{.address = IpAddress::parse("192.0.2.7").value(), .port = 7, .has_address = true};

/// A table of so many places.
struct Table {
    Scoreboard board{1};
    Admission admission;
    Connections connections;

    explicit Table(std::size_t most, std::string refusal = "", AdmissionOptions options = {})
        : admission{std::move(options), one_listener}, connections{board, admission, std::move(refusal)} {
        connections.limit(most);
    }

    Place add(UniqueFd socket = {}) { return connections.add(std::move(socket), somebody, 0, now); }

    [[nodiscard]] std::uint64_t ended() {
        const ScoreboardHeader& header = board.header();
        const auto sum = [](const auto& counters) {
            return std::accumulate(counters.begin(), counters.end(), std::uint64_t{0});
        };
        return header.completed + header.client_aborted + sum(header.timed_out) + sum(header.refused) +
               sum(header.lost);
    }

    [[nodiscard]] bool is_readable() { return board.header().version % 2 == 0; }
};

struct Kind {
    Ending how;
    SharedCounter* counter;  ///< Where it is counted; none: in the worker's row.
};

std::vector<Kind> all_endings(ScoreboardHeader& header) {
    std::vector<Kind> all{{Ending::completed(), &header.completed},
                          {Ending::client_aborted(), &header.client_aborted},
                          {Ending::in_worker(), nullptr}};
    for (std::size_t i = 0; i < limits_count; ++i)
        all.push_back({Ending::timed_out(static_cast<Limit>(i)), &header.timed_out[i]});
    for (std::size_t i = 0; i < refusals; ++i)
        all.push_back({Ending::refused(static_cast<Refusal>(i)), &header.refused[i]});
    for (std::size_t i = 0; i < exit_reasons; ++i)
        all.push_back({Ending::lost(static_cast<ExitReason>(i)), &header.lost[i]});
    return all;
}

/// All that comes until the end of the connection; "reset" if it is broken off.
std::string heard_by(const UniqueFd& client) {
    std::string text;
    for (;;) {
        std::array<char, 64> bytes{};
        const ssize_t size = ::recv(client.get(), bytes.data(), bytes.size(), 0);
        if (size < 0) return "reset";
        if (size == 0) return text;
        text.append(bytes.data(), static_cast<std::size_t>(size));
    }
}

bool lingers(int socket) {
    linger value{};
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(socket, SOL_SOCKET, SO_LINGER, &value, &size) == 0);
    return value.l_onoff != 0;
}

std::vector<Place> members_of(ConnectionList& list) {
    std::vector<Place> members;
    list.visit_while([&](Place place) {
        members.push_back(place);
        return true;
    });
    return members;
}

std::vector<Place> members_backwards(ConnectionList& list) {
    std::vector<Place> members;
    list.visit_back_while([&](Place place) {
        members.push_back(place);
        return true;
    });
    return members;
}

}  // namespace

TEST_SUITE("pool: the table of connections") {
    TEST_CASE("a connection waits when it is added, and is counted once at every step to its end") {
        Table table{4};
        const ScoreboardHeader& header = table.board.header();
        const Place place = table.add();
        CHECK(table.connections.at(place).where == Where::waiting);
        CHECK(header.accepted == 1);
        CHECK(header.queued == 1);
        table.connections.move(place, Where::given);
        CHECK(header.queued == 0);
        table.connections.move(place, Where::parked);
        CHECK(header.parked == 1);
        table.connections.move(place, Where::waiting);
        CHECK(header.parked == 0);
        CHECK(header.queued == 1);
        table.connections.end(place, Ending::completed());
        CHECK(header.queued == 0);
        CHECK(header.parked == 0);
        CHECK(header.completed == 1);
        CHECK(table.connections.size() == 0);
        CHECK(table.ended() == header.accepted);
    }

    TEST_CASE("a move to where it is already changes nothing") {
        Table table{1};
        const Place place = table.add();
        for (const Where where : {Where::waiting, Where::parked, Where::given}) {
            table.connections.move(place, where);
            const std::uint64_t gauges = table.board.header().queued + table.board.header().parked;
            const int unserved = table.connections.unserved();
            table.connections.move(place, where);
            CHECK(table.board.header().queued + table.board.header().parked == gauges);
            CHECK(table.connections.unserved() == unserved);
        }
    }

    TEST_CASE("each ending raises its own counter and no other, wherever the connection was") {
        for (const Where where : {Where::waiting, Where::parked, Where::given}) {
            Table table{1};
            const std::vector<Kind> all = all_endings(table.board.header());
            for (const Kind& kind : all) {
                const Place place = table.add();
                table.connections.move(place, where);
                std::vector<std::uint64_t> expected;
                for (const Kind& other : all)
                    expected.push_back(other.counter == nullptr ? 0 : other.counter->load());
                if (kind.counter != nullptr) ++expected[static_cast<std::size_t>(&kind - all.data())];
                table.connections.end(place, kind.how);
                for (std::size_t i = 0; i < all.size(); ++i)
                    CHECK((all[i].counter == nullptr || all[i].counter->load() == expected[i]));
                CHECK(table.board.header().queued == 0);
                CHECK(table.board.header().parked == 0);
            }
        }
    }

    TEST_CASE("in any sequence of steps nothing is lost: accepted is what has ended and what is there") {
        for (const unsigned seed : {1U, 2U, 3U}) {
            std::mt19937 random{seed};
            constexpr std::size_t most = 20;
            Table table{most};
            Connections& connections = table.connections;
            const std::vector<Kind> endings = all_endings(table.board.header());
            struct Naive {
                Place place;
                Where where = Where::waiting;
                bool served = false;
            };
            std::vector<Naive> there;
            std::vector<Place> gone;
            std::uint64_t accepted = 0;
            std::uint64_t ended_in_worker = 0;
            for (int step = 0; step < 20'000; ++step) {
                if (there.empty() || (random() % 3 == 0 && connections.has_room())) {
                    there.push_back({.place = table.add()});
                    ++accepted;
                } else if (Naive& one = there[random() % there.size()]; random() % 3 != 0) {
                    const auto where = static_cast<Where>(random() % 3);
                    connections.move(one.place, where);
                    one.where = where;
                    if (where == Where::given && random() % 2 == 0)
                        connections.at(one.place).served = one.served = true;
                } else {
                    const Kind& kind = endings[random() % endings.size()];
                    connections.end(one.place, kind.how);
                    if (kind.counter == nullptr) ++ended_in_worker;
                    gone.push_back(one.place);
                    std::swap(one, there.back());
                    there.pop_back();
                }
                const ScoreboardHeader& header = table.board.header();
                const auto count = [&there](auto holds) {
                    return static_cast<std::uint64_t>(std::count_if(there.begin(), there.end(), holds));
                };
                REQUIRE(connections.size() == there.size());
                REQUIRE(connections.has_room() == (there.size() < most));
                REQUIRE(header.accepted == accepted);
                REQUIRE(header.accepted == table.ended() + ended_in_worker + connections.size());
                REQUIRE(header.queued == count([](const Naive& n) { return n.where == Where::waiting; }));
                REQUIRE(header.parked == count([](const Naive& n) { return n.where == Where::parked; }));
                REQUIRE(static_cast<std::uint64_t>(connections.unserved()) == count([](const Naive& n) {
                            return n.where == Where::waiting || (n.where == Where::parked && !n.served);
                        }));
                REQUIRE(table.is_readable());
                for (const Naive& one : there)
                    REQUIRE(connections.is_current(one.place));
                if (gone.empty()) continue;
                REQUIRE_FALSE(connections.is_current(gone.back()));
                REQUIRE_FALSE(connections.is_current(gone[random() % gone.size()]));
            }
        }
    }

    TEST_CASE("a place is used again, in another generation and with nothing left of its last connection") {
        Table table{1};
        const Place first = table.add();
        ConnectionEntry& entry = table.connections.at(first);
        entry.resumption.state.fill(std::byte{7});
        entry.deadline = entry.look_again = now;
        entry.resumption.parking = {.deadline_ns = 1, .what = Await::output, .limit = Limit::write};
        entry.served = entry.was_given = entry.wants_reset = entry.registered = true;
        entry.crashes = 2;
        entry.half_heads = 3;
        entry.unsent = 4;
        entry.admitted = false;
        table.connections.end(first, Ending::completed());
        const Place second = table.connections.add({}, Peer{}, 5, now + 1s);
        CHECK(second.index == first.index);
        CHECK(second.generation != first.generation);
        CHECK_FALSE(table.connections.is_current(first));
        CHECK(table.connections.is_current(second));
        CHECK(table.connections.place_at(second.index) == second);
        const ConnectionEntry& fresh = table.connections.at(second);
        CHECK(fresh.listener == 5);
        CHECK(fresh.since == now + 1s);
        CHECK(fresh.peer == Peer{});
        CHECK(fresh.resumption.state == ConnectionState{});
        CHECK(fresh.deadline == TimePoint{});
        CHECK(fresh.look_again == TimePoint{});
        CHECK(fresh.parking().limit == Limit::idle);
        CHECK(fresh.parking().what == Await::input);
        CHECK_FALSE(fresh.served);
        CHECK_FALSE(fresh.was_given);
        CHECK_FALSE(fresh.wants_reset);
        CHECK_FALSE(fresh.registered);
        CHECK(fresh.crashes == 0);
        CHECK(fresh.half_heads == 0);
        CHECK(fresh.unsent == 0);
        CHECK(fresh.admitted);
    }

    TEST_CASE("what was never there is not current") {
        Table table{4};
        CHECK_FALSE(table.connections.is_current({}));
        CHECK_FALSE(table.connections.is_current({.index = ~std::uint32_t{0}, .generation = 1}));
        const Place place = table.add();
        CHECK_FALSE(table.connections.is_current({.index = place.index, .generation = place.generation + 1}));
        CHECK_FALSE(table.connections.is_current({.index = place.index + 1, .generation = place.generation}));
    }

    TEST_CASE("there is room up to the limit, and none before one is set") {
        Scoreboard board{1};
        Admission admission{{}, one_listener};
        Connections connections{board, admission, ""};
        CHECK_FALSE(connections.has_room());
        connections.limit(2);
        CHECK(connections.limit() == 2);
        const Place place = connections.add({}, somebody, 0, now);
        CHECK(connections.has_room());
        (void)connections.add({}, somebody, 0, now);
        CHECK_FALSE(connections.has_room());
        connections.move(place, Where::given);  // It is there wherever it is.
        CHECK_FALSE(connections.has_room());
        connections.end(place, Ending::in_worker());
        CHECK(connections.has_room());
    }

    TEST_CASE("its end closes the socket and the file") {
        Table table{1};
        const long before = open_descriptors();
        for (const Where where : {Where::waiting, Where::parked, Where::given}) {
            SocketPair sockets = tcp_sockets();
            const Place place = table.add(std::move(sockets.server));
            table.connections.at(place).file = UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
            table.connections.move(place, where);
            table.connections.end(place, Ending::completed());
            CHECK(heard_by(sockets.client).empty());
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("admission is told of each end once, and of nobody whom it has not let in") {
        Table table{10, "", {.sources = {.connections_max = 2}}};
        const auto come = [&table] {
            const Place place = table.add();
            if (table.admission.admit(-1, somebody, 0, 0, now)) table.connections.at(place).admitted = false;
            return place;
        };
        const auto is_admitted = [&](Place place) { return table.connections.at(place).admitted; };
        for (const Kind& kind : all_endings(table.board.header())) {
            const Place one = come();
            const Place two = come();
            CHECK(is_admitted(one));
            CHECK(is_admitted(two));
            const Place three = come();
            CHECK_FALSE(is_admitted(three));
            table.connections.end(three, Ending::refused(Refusal::source));
            table.connections.end(one, kind.how);
            const Place four = come();
            const Place five = come();
            CHECK(is_admitted(four));
            CHECK_FALSE(is_admitted(five));
            for (const Place place : {two, four, five})
                table.connections.end(place, kind.how);
        }
    }

    TEST_CASE("a handler's SO_LINGER doesn't outlive the worker: no close can block the master") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            for (const bool was_given : {true, false}) {
                Table table{1};
                SocketPair sockets = make();
                const UniqueFd elsewhere{::fcntl(sockets.server.get(), F_DUPFD_CLOEXEC, 0)};
                const linger long_wait{.l_onoff = 1, .l_linger = 20};
                REQUIRE(::setsockopt(elsewhere.get(), SOL_SOCKET, SO_LINGER, &long_wait, sizeof long_wait) ==
                        0);
                const Place place = table.add(std::move(sockets.server));
                table.connections.at(place).was_given = was_given;
                table.connections.end(place, Ending::completed());
                CHECK(lingers(elsewhere.get()) == !was_given);  // Else a system call for nothing.
            }
        }
    }

    TEST_CASE("a refused client is told in the service's words, unless silence is the answer") {
        for (const bool has_spoken : {false, true}) {
            for (std::size_t i = 0; i < refusals; ++i) {
                const auto why = static_cast<Refusal>(i);
                const bool silent =
                    why == Refusal::denied || why == Refusal::banned || why == Refusal::stopping;
                CAPTURE(name_of(why));
                Table table{1, "busy\n"};
                SocketPair sockets = tcp_sockets();
                if (has_spoken) say(sockets.client, "GET / HTTP/1.0\r\n\r\n");
                table.connections.end(table.add(std::move(sockets.server)), Ending::refused(why));
                if (!silent)
                    CHECK(heard_by(sockets.client) == "busy\n");
                else if (!has_spoken)
                    CHECK(heard_by(sockets.client).empty());
            }
        }
    }

    TEST_CASE("a refused client that is still sending hears why, and may end in its own time") {
        Table table{1, "busy\n"};
        SocketPair sockets = tcp_sockets();
        std::thread client{[&] {
            const std::string upload(8'000'000, 'x');
            CHECK(::send(sockets.client.get(), upload.data(), upload.size(), MSG_NOSIGNAL) == 8'000'000);
            CHECK(heard_by(sockets.client) == "busy\n");
            sockets.client.reset();
        }};
        table.connections.end(table.add(std::move(sockets.server)), Ending::refused(Refusal::overload));
        CHECK(table.ended() == 1);
        Farewells& farewells = table.connections.farewells();
        for (TimePoint at = now; !farewells.empty(); at += 1ms) {
            (void)farewells.prepare_to_wait(at);
            farewells.attend(at, {.linger = 1h, .linger_total = 1h}, false);
        }
        client.join();
    }

    TEST_CASE("a refused client that has ended its side is closed at once") {
        Table table{1, "busy\n"};
        SocketPair sockets = tcp_sockets();
        ::shutdown(sockets.client.get(), SHUT_WR);
        pollfd ended{.fd = sockets.server.get(), .events = POLLRDHUP, .revents = 0};
        REQUIRE(::poll(&ended, 1, 20'000) == 1);
        table.connections.end(table.add(std::move(sockets.server)), Ending::refused(Refusal::overload));
        CHECK(table.connections.farewells().empty());
        CHECK(heard_by(sockets.client) == "busy\n");
    }

    TEST_CASE("connections and farewells together are never more than the limit") {
        Table table{3, "busy\n"};
        std::vector<UniqueFd> clients;
        const auto come = [&] {
            SocketPair sockets = tcp_sockets();
            clients.push_back(std::move(sockets.client));
            return table.add(std::move(sockets.server));
        };
        for (int i = 0; i < 5; ++i)
            table.connections.end(come(), Ending::refused(Refusal::rate));
        CHECK(table.connections.farewells().size() == 3);
        (void)come();
        (void)come();
        CHECK(table.connections.size() == 2);
        CHECK(table.connections.farewells().size() == 1);
    }

    TEST_CASE("who isn't refused, or has a service without such words, hears nothing but the end") {
        for (const std::string words : {"", "busy\n"}) {
            Table table{1, words};
            for (const Kind& kind : all_endings(table.board.header())) {
                const bool refused = kind.counter >= table.board.header().refused.data() &&
                                     kind.counter < table.board.header().refused.data() + refusals;
                if (refused && !words.empty()) continue;
                SocketPair sockets = tcp_sockets();
                table.connections.end(table.add(std::move(sockets.server)), kind.how);
                CHECK(heard_by(sockets.client).empty());
            }
        }
    }

    TEST_CASE("a client that doesn't read its refusal doesn't block, and one that is gone kills nobody") {
        Table table{2, std::string(8'000'000, 'x')};
        SocketPair deaf = tcp_sockets();
        table.connections.end(table.add(std::move(deaf.server)), Ending::refused(Refusal::overload));
        SocketPair gone = unix_sockets();
        gone.client.reset();
        table.connections.end(table.add(std::move(gone.server)), Ending::refused(Refusal::overload));
        CHECK(table.connections.size() == 0);
    }

    TEST_CASE("those in one place are visited, and the visitor may end each") {
        Table table{10};
        std::vector<Place> parked;
        for (int i = 0; i < 9; ++i) {
            const Place place = table.add();
            if (i % 3 == 1) parked.push_back(place);
            table.connections.move(place, static_cast<Where>(i % 3));
        }
        std::vector<Place> visited;
        table.connections.for_each(Where::parked, [&](Place place, ConnectionEntry& entry) {
            CHECK(&entry == &table.connections.at(place));
            visited.push_back(place);
            table.connections.end(place, Ending::completed());
        });
        CHECK(visited == parked);
        CHECK(table.connections.size() == 6);
        table.connections.for_each(Where::parked, [](Place, ConnectionEntry&) { FAIL("nobody is parked"); });
    }
}

TEST_SUITE("pool: lists of connections") {
    TEST_CASE("they behave as std::list does, for any sequence of changes") {
        for (const unsigned seed : {1U, 2U, 3U}) {
            std::mt19937 random{seed};
            Table table{40};
            ConnectionList list{table.connections};
            std::list<Place> model;
            for (int step = 0; step < 5000; ++step) {
                switch (random() % 6) {
                    case 0:
                    case 1: {
                        if (!table.connections.has_room()) break;
                        const Place place = table.add();
                        list.push_back(place);
                        model.push_back(place);
                        break;
                    }
                    case 2: {
                        if (!table.connections.has_room()) break;
                        const Place place = table.add();
                        list.push_front(place);
                        model.push_front(place);
                        break;
                    }
                    case 3: {
                        if (model.empty()) break;
                        const auto one =
                            std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
                        list.erase(*one);
                        table.connections.end(*one, Ending::completed());
                        model.erase(one);
                        break;
                    }
                    case 4: {  // From one end to the other, or not so far: some go.
                        const bool forwards = random() % 2 == 0;
                        std::size_t steps = random() % (model.size() + 2);
                        std::vector<Place> going;
                        const auto visit = [&](Place place) {
                            if (random() % 4 == 0) {
                                going.push_back(place);
                                list.erase(place);
                                table.connections.end(place, Ending::completed());
                            }
                            return steps-- > 0;
                        };
                        forwards ? list.visit_while(visit) : list.visit_back_while(visit);
                        for (const Place place : going)
                            model.remove(place);
                        break;
                    }
                    default: {  // From one place in the list to another.
                        if (model.empty()) break;
                        const Place place = model.front();
                        list.erase(place);
                        model.pop_front();
                        list.push_back(place);
                        model.push_back(place);
                    }
                }
                REQUIRE(list.size() == model.size());
                REQUIRE(list.empty() == model.empty());
                REQUIRE(members_of(list) == std::vector<Place>(model.begin(), model.end()));
                REQUIRE(members_backwards(list) == std::vector<Place>(model.rbegin(), model.rend()));
                if (model.empty()) continue;
                REQUIRE(list.front() == model.front());
                REQUIRE(list.back() == model.back());
            }
        }
    }

    TEST_CASE("a visit ends when the visitor says so") {
        Table table{5};
        ConnectionList list{table.connections};
        for (int i = 0; i < 5; ++i)
            list.push_back(table.add());
        int visited = 0;
        list.visit_while([&](Place) { return ++visited < 3; });
        CHECK(visited == 3);
        list.visit_back_while([&](Place) { return ++visited < 5; });
        CHECK(visited == 5);
    }

    TEST_CASE("several lists of one table don't disturb each other") {
        Table table{30};
        std::vector<ConnectionList> lists(3, ConnectionList{table.connections});
        std::vector<std::vector<Place>> expected(3);
        for (std::size_t i = 0; i < 30; ++i) {
            const Place place = table.add();
            lists[i % 3].push_back(place);
            expected[i % 3].push_back(place);
        }
        lists[1].erase(expected[1][4]);
        expected[1].erase(expected[1].begin() + 4);
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(members_of(lists[i]) == expected[i]);
    }
}
