#include "pool/door.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "core/process.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/failing_call.hpp"
#include "tests/in_child.hpp"
#include "tests/pool/events_in_test.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

const TimePoint begin = TimePoint{} + 1h;
constexpr auto pause_time = 100ms;

std::vector<Listener> open_all(const std::vector<std::string>& texts) {
    std::vector<Listener> listeners;
    for (const std::string& text : texts)
        listeners.push_back(std::move(open_listeners(text, {}).front()));
    return listeners;
}

std::vector<std::string> names_of(std::size_t listeners) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < listeners; ++i)
        names.push_back("listener " + std::to_string(i));
    return names;
}

/// Made from a client's socket whose handshake is complete: it waits in the backlog.
UniqueFd connect_to(const Address& address) {
    UniqueFd client{::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::connect(client.get(), address.data(), address.size()) == 0);
    return client;
}

/// Nothing comes any more: the server has closed it.
bool is_closed(const UniqueFd& client) {
    char byte = 0;
    return ::recv(client.get(), &byte, 1, 0) <= 0;
}

/// A door with as many listeners, in a master that accepts.
struct House {
    Scoreboard board{1};
    Admission admission;
    Connections connections{board, admission, ""};
    EventsInTest events;
    Door door;

    explicit House(std::size_t listeners = 1, AdmissionOptions options = {}, std::size_t most = 1000)
        : admission{std::move(options), names_of(listeners)},
          door{"web", open_all(std::vector<std::string>(listeners, "127.0.0.1:0")), pause_time, connections,
               admission} {
        connections.limit(most);
        door.watch_by(events, begin);
    }

    [[nodiscard]] UniqueFd connect(std::size_t listener = 0) {
        UniqueFd client = connect_to(door.listeners()[listener].address());
        pollfd readable{.fd = door.listeners()[listener].fd(), .events = POLLIN, .revents = 0};
        constexpr int patience_ms = 20'000;
        REQUIRE(::poll(&readable, 1, patience_ms) == 1);
        return client;
    }

    /// A turn's wait. False: a client was known to be there already.
    bool watch() {
        const bool may_block = door.watch();
        events.look();
        return may_block;
    }

    std::optional<Place> let_in(TimePoint now = begin) { return door.let_in(now); }

    /// From which listeners clients come in until none is known to wait.
    std::vector<std::uint32_t> let_all_in(TimePoint now = begin) {
        std::vector<std::uint32_t> order;
        while (const auto client = let_in(now))
            order.push_back(connections.at(*client).listener);
        return order;
    }

    std::uint64_t refused(Refusal why) { return board.header().refused[static_cast<std::size_t>(why)]; }
};

AdmissionRule rule(const char* network, std::string listener = "") {
    return {Network::parse(network), std::move(listener)};
}

/// No descriptor more than there are now.
void exhaust_descriptors() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const UniqueFd lowest{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)};
    limit.rlim_cur = static_cast<rlim_t>(lowest.get());
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void allow_descriptors_again() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

TEST_SUITE("pool: the door") {
    TEST_CASE("a pool has 1 to 64 listeners") {
        Scoreboard board{1};
        Admission admission{{}, names_of(1)};
        Connections connections{board, admission, ""};
        const auto make = [&](std::vector<Listener> listeners) {
            const Door door{"web", std::move(listeners), pause_time, connections, admission};
        };
        CHECK_THROWS_WITH_AS(make({}), "pool 'web' has 0 listeners; 1 to 64 are possible",
                             std::runtime_error);
        CHECK_NOTHROW(make(open_all(std::vector<std::string>(64, "127.0.0.1:0"))));
        CHECK_THROWS_WITH_AS(make(open_all(std::vector<std::string>(65, "127.0.0.1:0"))),
                             "pool 'web' has 65 listeners; 1 to 64 are possible", std::runtime_error);
    }

    TEST_CASE("a client that comes is known to wait, and waits for a worker once it was let in") {
        House house;
        CHECK(house.watch());
        CHECK_FALSE(house.door.is_known_to_wait());
        CHECK_FALSE(house.let_in());
        const UniqueFd client = house.connect();
        CHECK(house.watch());
        CHECK(house.door.is_known_to_wait());
        CHECK(house.door.has_clients());
        CHECK(house.door.length() == 1);
        const auto place = house.let_in();
        REQUIRE(place);
        const ConnectionEntry& entry = house.connections.at(*place);
        CHECK(entry.where == Where::waiting);
        CHECK(entry.since == begin);
        CHECK(entry.socket);
        CHECK(entry.peer.text() == Address::of_socket(client.get()).text());
        CHECK((::fcntl(entry.socket.get(), F_GETFL) & O_NONBLOCK) == 0);
        CHECK((::fcntl(entry.socket.get(), F_GETFD) & FD_CLOEXEC) != 0);
        CHECK(house.board.header().accepted == 1);
        CHECK_FALSE(house.let_in());
        CHECK_FALSE(house.door.has_clients());
        CHECK(house.door.length() == 0);
    }

    TEST_CASE("without a watch that has seen one, nobody is looked for") {
        House house;
        const UniqueFd client = house.connect();
        CHECK_FALSE(house.let_in());
        CHECK_FALSE(house.door.is_known_to_wait());
        CHECK(house.watch());
        CHECK(house.let_in());
    }

    TEST_CASE("all of a crowd come in, however many are known of") {
        House house;
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 50; ++i)
            clients.push_back(house.connect());
        std::size_t entered = 0;
        for (int turn = 0; turn < 100 && entered < clients.size(); ++turn) {
            (void)house.watch();
            entered += house.let_all_in().size();
        }
        CHECK(entered == clients.size());
        CHECK(house.connections.size() == clients.size());
    }

    TEST_CASE("listeners take turns: a crowd at the first doesn't keep the others waiting") {
        House house{3};
        std::vector<UniqueFd> clients;
        const auto crowd_at_the_first = [&](int more) {
            for (int i = 0; i < more; ++i)
                clients.push_back(house.connect(0));
        };
        // Until the door knows that they are many: from then on it counts them.
        for (int turn = 0; turn < 40; ++turn) {
            crowd_at_the_first(2);
            (void)house.watch();
            (void)house.let_in();
        }
        for (const std::uint32_t other : {1U, 2U, 2U, 1U}) {
            crowd_at_the_first(4);
            clients.push_back(house.connect(other));
            (void)house.watch();
            bool came = false;
            for (int i = 0; i < 3 && !came; ++i) {
                const auto client = house.let_in();
                REQUIRE(client);
                came = house.connections.at(*client).listener == other;
            }
            CHECK(came);
        }
    }

    TEST_CASE("with several crowds each has the same share") {
        House house{3};
        std::vector<UniqueFd> clients;
        for (int round = 0; round < 40; ++round) {
            for (std::size_t listener = 0; listener < 3; ++listener)
                clients.push_back(house.connect(listener));
            (void)house.watch();
            std::array<int, 3> came{};
            for (int i = 0; i < 3; ++i) {
                const auto client = house.let_in();
                REQUIRE(client);
                ++came[house.connections.at(*client).listener];
            }
            REQUIRE(came == std::array<int, 3>{1, 1, 1});
        }
    }

    TEST_CASE("lists may be for one listener: its clients alone are asked") {
        House house{2, {.allow = {rule("10.0.0.0/8", "listener 1")}}};
        const UniqueFd welcome = house.connect(0);
        const UniqueFd denied = house.connect(1);
        CHECK(house.watch());
        CHECK(house.let_all_in() == std::vector<std::uint32_t>{0});
        CHECK(house.refused(Refusal::denied) == 1);
        CHECK(is_closed(denied));
        House other{2, {.deny = {rule("127.0.0.0/8", "listener 0")}}};
        const UniqueFd denied_here = other.connect(0);
        const UniqueFd welcome_here = other.connect(1);
        CHECK(other.watch());
        CHECK(other.let_all_in() == std::vector<std::uint32_t>{1});
        CHECK(is_closed(denied_here));
        CHECK(other.connections.size() == 1);
        CHECK(other.board.header().accepted == 2);
    }

    TEST_CASE("whom admission refuses is no reason not to look at the next") {
        House house{1, {.sources = {.connections_max = 1}}};
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 20; ++i)
            clients.push_back(house.connect());
        std::size_t entered = 0;
        for (int turn = 0; turn < 40; ++turn) {
            (void)house.watch();
            entered += house.let_all_in().size();
        }
        CHECK(entered == 1);
        CHECK(house.refused(Refusal::source) == 19);
        CHECK_FALSE(house.door.has_clients());
        // Those refused were never counted as admitted: when the one goes, another may come.
        house.connections.for_each(Where::waiting, [&](Place place, ConnectionEntry&) {
            house.connections.end(place, Ending::completed());
        });
        const UniqueFd next = house.connect();
        (void)house.watch();
        CHECK(house.let_in());
    }

    TEST_CASE("early drop counts those that wait unserved, whatever the model does with a client then") {
        for (const Where where : {Where::waiting, Where::parked, Where::given}) {
            House house{1, {.early_drop = EarlyDrop::parse("2")}};
            std::vector<UniqueFd> clients;
            for (int i = 0; i < 5; ++i) {
                clients.push_back(house.connect());
                (void)house.watch();
                if (const auto client = house.let_in()) house.connections.move(*client, where);
            }
            CHECK(house.connections.size() == (where == Where::given ? 5 : 2));
            CHECK(house.refused(Refusal::startups) == (where == Where::given ? 0 : 3));
        }
    }

    TEST_CASE("a full table lets nobody in, and those outside stay in the backlog") {
        House house{1, {}, 2};
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 4; ++i)
            clients.push_back(house.connect());
        for (int turn = 0; turn < 4; ++turn) {
            (void)house.watch();
            (void)house.let_all_in();
        }
        CHECK(house.connections.size() == 2);
        CHECK(house.door.length() == 2);
        CHECK(house.door.still_has_clients());
        house.connections.for_each(Where::waiting, [&](Place place, ConnectionEntry&) {
            house.connections.end(place, Ending::completed());
        });
        for (int turn = 0; turn < 4; ++turn) {
            (void)house.watch();
            (void)house.let_all_in();
        }
        CHECK(house.connections.size() == 2);
        CHECK(house.door.length() == 0);
        CHECK(house.board.header().accepted == 4);
    }

    TEST_CASE("while it is full it is not open, and it is looked at again after the pause") {
        House house;
        CHECK(house.door.is_open(begin));
        CHECK(house.door.prepare_to_wait(begin) == TimePoint::max());
        house.door.set_full(true);
        CHECK(house.door.is_full());
        CHECK_FALSE(house.door.is_open(begin));
        CHECK(house.door.prepare_to_wait(begin) == begin + pause_time);
        house.door.set_full(false);
        CHECK(house.door.is_open(begin));
    }

    TEST_CASE("clients that are known to wait and have left meanwhile keep nobody's hopes up") {
        for (const int turns : {0, 40}) {  // Known by the watch, or counted: after a while it counts a crowd.
            House house;
            std::vector<UniqueFd> clients;
            const auto come = [&] {
                clients.push_back(house.connect());
                clients.push_back(house.connect());
                (void)house.watch();
            };
            for (int turn = 0; turn < turns; ++turn) {
                come();
                (void)house.let_in();
            }
            come();
            REQUIRE(house.door.is_known_to_wait());
            // Somebody else takes them: to the kernel the same as if they had never come.
            while (UniqueFd{::accept4(house.door.listeners()[0].fd(), nullptr, nullptr, SOCK_CLOEXEC)})
                continue;
            CHECK(house.door.is_known_to_wait());
            CHECK_FALSE(house.door.still_has_clients());
            CHECK_FALSE(house.door.is_known_to_wait());
            CHECK(house.watch());  // One may block.
            CHECK_FALSE(house.door.is_known_to_wait());
            const UniqueFd next = house.connect();
            CHECK(house.watch());
            CHECK(house.let_in());
        }
    }

    TEST_CASE("the same is found out by letting in: there is none, and the door may be watched") {
        House house{2};
        const UniqueFd first = house.connect(0);
        const UniqueFd second = house.connect(1);
        CHECK(house.watch());
        const UniqueFd taken{::accept4(house.door.listeners()[0].fd(), nullptr, nullptr, SOCK_CLOEXEC)};
        CHECK(house.let_all_in() == std::vector<std::uint32_t>{1});
        CHECK_FALSE(house.door.is_known_to_wait());
        CHECK(house.door.watch());
    }

    TEST_CASE("a client that reset while it waited comes in as one that has left, or not at all") {
        House house;
        UniqueFd gone = house.connect();
        reset_by(gone);
        const UniqueFd there = house.connect();
        CHECK(house.watch());
        std::size_t entered = house.let_all_in().size();
        (void)house.watch();
        entered += house.let_all_in().size();
        CHECK(entered >= 1);
        CHECK(house.connections.size() == entered);
        CHECK_FALSE(house.door.has_clients());
    }

    TEST_CASE("to learn of the first that comes, the door is watched without letting anybody in") {
        House house;
        house.door.watch_for_first();
        const UniqueFd client = house.connect();
        house.events.wait();
        CHECK(house.door.is_known_to_wait());
        house.door.watch_for_first();  // Once is enough.
        CHECK(house.connections.size() == 0);
        CHECK(house.let_in());
    }

    TEST_CASE("a master that accepts nobody is woken again by what still waits") {
        House house{2};
        house.door.watch_again();
        const UniqueFd client = house.connect(1);
        for (int turn = 0; turn < 3; ++turn) {
            house.events.wait();
            CHECK(house.door.is_known_to_wait());
            house.door.watch_again();
            CHECK(!house.door.is_known_to_wait());
        }
        CHECK(house.door.length() == 1);
        CHECK(house.connections.size() == 0);
    }

    TEST_CASE("out of descriptors it pauses, then goes on with those that waited") {
        CHECK(in_child([] {
            House house{2};
            const UniqueFd first = house.connect(0);
            const UniqueFd second = house.connect(1);
            (void)house.watch();
            exhaust_descriptors();
            const bool none = !house.let_in() && !house.let_in(begin + 1ms);
            const bool pauses = house.door.is_pausing(begin) && !house.door.is_open(begin) &&
                                house.door.is_pausing(begin + pause_time - 1ns) &&
                                house.door.prepare_to_wait(begin) == begin + pause_time;
            const bool over = !house.door.is_pausing(begin + pause_time) &&
                              house.door.is_open(begin + pause_time) &&
                              house.door.prepare_to_wait(begin + pause_time) == TimePoint::max();
            const bool again = !house.let_in(begin + pause_time) && house.door.is_pausing(begin + pause_time);
            allow_descriptors_again();
            const bool still = house.let_all_in(begin + pause_time + 1ms).empty();
            return none && pauses && over && again && still &&
                   house.let_all_in(begin + 2 * pause_time).size() == 2 && house.connections.size() == 2;
        }));
    }

    TEST_CASE("a failure that is one client's pauses nothing, until it is that of very many in a row") {
        for (const int error : {EPERM, ECONNABORTED, EPROTO, EHOSTUNREACH, ENETDOWN, ETIMEDOUT}) {
            CAPTURE(error);
            CHECK(in_child([error] {
                House house;
                const UniqueFd client = house.connect();
                let_call_fail(SYS_accept4, error);
                int failures = 0;
                for (; failures < 1000 && !house.door.is_pausing(begin); ++failures) {
                    (void)house.watch();
                    if (!house.door.is_known_to_wait() || house.let_in()) return false;
                }
                return failures >= 16 && failures < 1000 && house.connections.size() == 0;
            }));
        }
    }

    TEST_CASE("a failure for want of something pauses at once") {
        for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
            CAPTURE(error);
            CHECK(in_child([error] {
                House house;
                const UniqueFd client = house.connect();
                let_call_fail(SYS_accept4, error);
                (void)house.watch();
                return !house.let_in() && house.door.is_pausing(begin);
            }));
        }
    }

    TEST_CASE("a UNIX socket's clients have no address, and are counted like others") {
        const std::string path =
            std::filesystem::temp_directory_path() / ("bullpen_door_test." + std::to_string(::getpid()));
        Scoreboard board{1};
        Admission admission{{.deny = {rule("0.0.0.0/0")}}, names_of(1)};
        Connections connections{board, admission, ""};
        EventsInTest events;
        Door door{"web", open_all({"unix:" + path}), pause_time, connections, admission};
        connections.limit(10);
        door.watch_by(events, begin);
        const UniqueFd client = connect_to(door.listeners()[0].address());
        CHECK(door.length() == 1);
        CHECK(door.watch());
        events.look();
        const auto place = door.let_in(begin);
        REQUIRE(place);
        CHECK_FALSE(connections.at(*place).peer.has_address);
    }

    TEST_CASE("from the order to stop on those in the backlog come in and no others, and then it is closed") {
        House house;
        const UniqueFd client = house.connect();
        house.door.stop_new_clients();
        const Address address = house.door.listeners()[0].address();
        const UniqueFd late{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        CHECK(::connect(late.get(), address.data(), address.size()) == -1);  // Its SYN is dropped.
        (void)house.watch();
        CHECK(house.let_all_in().size() == 1);
        CHECK(house.door.is_open(begin));
        house.door.close();
        CHECK_FALSE(house.door.is_open(begin));
        CHECK(house.door.listeners()[0].is_closed());
        CHECK_FALSE(house.door.is_in_service(0));
        CHECK_FALSE(house.let_in());
        CHECK(house.door.watch());
        CHECK_FALSE(house.door.is_known_to_wait());
        CHECK_FALSE(house.door.still_has_clients());
        CHECK(house.door.length() == 0);
    }

    TEST_CASE(
        "a removed listener drains while the others go on, and keeps its place until a like one needs it") {
        Scoreboard board{1};
        Admission admission{{}, names_of(2)};
        Connections connections{board, admission, ""};
        EventsInTest events;
        Door door{"web", open_all({"127.0.0.1:0", "127.0.0.1:0"}), pause_time, connections, admission};
        connections.limit(10);
        door.remove(1);
        CHECK_FALSE(door.is_in_service(1));
        door.watch_by(events, begin);  // The next master.
        const Address address = door.listeners()[1].address();
        const UniqueFd late{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        CHECK(::connect(late.get(), address.data(), address.size()) == -1);  // Its SYN is dropped.
        door.close_removed(100ms, begin + 50ms);
        CHECK_FALSE(door.listeners()[1].is_closed());
        door.close_removed(100ms, begin + 100ms);
        CHECK(door.listeners()[1].is_closed());
        CHECK_FALSE(door.listeners()[0].is_closed());
        CHECK(door.is_open(begin));
        const UniqueFd client = connect_to(door.listeners()[0].address());
        CHECK(door.length() == 1);

        std::vector<Listener> added = open_all({"127.0.0.1:0", "127.0.0.1:0"});
        const auto places = door.places_for(added);
        REQUIRE(places);
        CHECK(*places == std::vector<std::size_t>{1, 2});
        CHECK(*door.places_for(open_all({"[::1]:0"})) == std::vector<std::size_t>{2});
        door.add(1, std::move(added[0]));
        door.add(2, std::move(added[1]));
        for (const std::size_t place : {0U, 1U, 2U})
            CHECK(door.is_in_service(place));
    }

    TEST_CASE("a door has places for as many listeners as metrics have, and says so") {
        House house{60};
        CHECK(house.door.places_for(open_all(std::vector<std::string>(4, "127.0.0.1:0"))));
        CHECK_FALSE(house.door.places_for(open_all(std::vector<std::string>(5, "127.0.0.1:0"))));
    }

    TEST_CASE("a listener goes to another door with its backlog and its file") {
        const std::string path =
            std::filesystem::temp_directory_path() / ("bullpen_door_gift." + std::to_string(::getpid()));
        Scoreboard board{1};
        Admission admission{{}, names_of(1)};
        Connections connections{board, admission, ""};
        std::optional<Door> giver{std::in_place, "a",         open_all({"unix:" + path}),
                                  pause_time,    connections, admission};
        const UniqueFd waits = connect_to(giver->listeners()[0].address());
        std::vector<Listener> twins;
        twins.push_back(giver->listeners()[0].twin());
        { const Listener given_up = giver->listeners()[0].twin(); }
        CHECK(std::filesystem::exists(path));  // A twin doesn't own the file yet.
        {
            Door taker{"b", std::move(twins), pause_time, connections, admission};
            giver->give_away(0);
            taker.own_files();
            CHECK_FALSE(giver->is_in_service(0));
            giver.reset();
            CHECK(std::filesystem::exists(path));
            CHECK(taker.length() == 1);
        }
        CHECK_FALSE(std::filesystem::exists(path));
    }

    TEST_CASE("the number of a listener that another process has closed is not closed once more") {
        House house{2};
        const int first = house.door.listeners()[0].fd();
        const int second = house.door.listeners()[1].fd();
        const auto child = spawn_sharing_descriptors([&] {
            house.door.close();
            return 0;
        });
        REQUIRE(child);
        REQUIRE(::waitpid(*child, nullptr, 0) == *child);
        CHECK(house.door.has_closed(first));
        const UniqueFd others{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, first)};
        REQUIRE(others.get() == first);
        OpenDescriptors open{{first}};
        house.door.adopt(open);
        CHECK(open.claim(first));  // It is left to whoever has it.
        CHECK(house.door.listeners()[0].is_closed());
        CHECK_FALSE(house.door.has_closed(first));
        CHECK(::fcntl(first, F_GETFD) >= 0);
        CHECK(::fcntl(second, F_GETFD) < 0);
    }

    TEST_CASE("the keeper forgets what masters have closed, and says which numbers are free") {
        House house{2};
        const std::vector<int> numbers = {house.door.listeners()[0].fd(), house.door.listeners()[1].fd()};
        CHECK(house.door.forget_closed().empty());
        const auto child = spawn_sharing_descriptors([&] {
            house.door.close();
            return 0;
        });
        REQUIRE(child);
        REQUIRE(::waitpid(*child, nullptr, 0) == *child);
        CHECK(house.door.forget_closed() == numbers);
        CHECK(house.door.forget_closed().empty());
    }

    TEST_CASE(
        "workers that accept block, unless they have several listeners or more than clients to wait on") {
        for (const auto& [listeners, event_driven] :
             {std::pair{1U, false}, {1U, true}, {2U, false}, {2U, true}}) {
            Scoreboard board{1};
            Admission admission{{}, names_of(listeners)};
            Connections connections{board, admission, ""};
            Door door{"web", open_all(std::vector<std::string>(listeners, "127.0.0.1:0")), pause_time,
                      connections, admission};
            door.accept_in_workers(event_driven);
            for (const Listener& listener : door.listeners())
                CHECK(((::fcntl(listener.fd(), F_GETFL) & O_NONBLOCK) != 0) ==
                      (event_driven || listeners > 1));
            CHECK_FALSE(door.is_open(begin));  // Not by the master.
        }
    }
}
