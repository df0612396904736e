/// What clients of the control socket can do to the master: nothing.
#include "pool/control.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/contains.hpp"
#include "tests/core/open_descriptors.hpp"
#include "tests/pool/events_in_test.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

class Desk {
public:
    Desk() : directory_{make_directory()}, control_{Listener::open(address(), {})} {
        control_.watch_by(events_);
    }
    ~Desk() { std::filesystem::remove_all(directory_); }
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;

    [[nodiscard]] UniqueFd connect() const {
        UniqueFd client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        const Address at = address();
        REQUIRE(::connect(client.get(), at.data(), at.size()) == 0);
        return client;
    }

    /// As many turns as there are clients to accept and lines to read; each answers with its number.
    void run_turns(TimePoint now, int turns = 4) {
        for (int i = 0; i < turns; ++i) {
            now += 20ms;
            (void)control_.prepare_to_wait(now);
            events_.look();
            control_.attend(now);
            control_.for_each_asker([&](Control::Asker& asker) {
                ++heard_;
                if (asker.order() == Order::status)
                    asker.answer({0, "here"});
                else
                    asker.note_under_way();
            });
        }
    }

    [[nodiscard]] int heard() const { return heard_; }
    Control& control() { return control_; }

private:
    static std::string make_directory() {
        std::string name = "/tmp/bullpen-control-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        return name;
    }
    [[nodiscard]] Address address() const { return Address::unix_name(directory_ + "/socket"); }

    EventsInTest events_;
    std::string directory_;
    Control control_;
    int heard_ = 0;
};

constexpr TimePoint begin = TimePoint{} + 5ms;

void say(const UniqueFd& client, std::string_view text) {
    REQUIRE(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
}

/// What has come by now, "closed" appended if the server has closed.
std::string heard_by(const UniqueFd& client) {
    std::string all;
    char buffer[4096];
    for (;;) {
        const ssize_t size = ::recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (size > 0) all.append(buffer, static_cast<std::size_t>(size));
        if (size == 0) return all + "closed";
        if (size < 0) return all;
    }
}

const std::string status_request = request_line("status", false);

}  // namespace

TEST_SUITE("pool: the control socket") {
    TEST_CASE("a request is answered with a line, and the connection closed") {
        Desk desk;
        const UniqueFd client = desk.connect();
        say(client, status_request);
        desk.run_turns(begin);
        CHECK(heard_by(client) == answer_line({0, "here"}) + "closed");
        CHECK(desk.heard() == 1);
    }

    TEST_CASE("a request may come in pieces") {
        Desk desk;
        const UniqueFd client = desk.connect();
        for (const char c : status_request) {
            say(client, {&c, 1});
            desk.run_turns(begin, 1);
        }
        CHECK(contains(heard_by(client), "here"));
    }

    TEST_CASE("a line that is too long, and more than a line, are refused") {
        for (const std::string& text : {std::string(2000, 'x'), status_request + status_request,
                                        status_request + "x", std::string(1025, ' ') + status_request}) {
            Desk desk;
            const UniqueFd client = desk.connect();
            say(client, text);
            desk.run_turns(begin);
            CHECK(contains(heard_by(client), "\"exit_status\":2"));
            CHECK(desk.heard() == 0);
        }
    }

    TEST_CASE("a client that stalls is closed after its time, and costs no wake-up before") {
        Desk desk;
        const UniqueFd client = desk.connect();
        say(client, "{");
        desk.run_turns(begin);
        CHECK(heard_by(client).empty());
        CHECK(desk.control().prepare_to_wait(begin + 1s) > begin + 5s);
        desk.run_turns(begin + 6s);
        CHECK(contains(heard_by(client), "in time"));
        CHECK(desk.control().prepare_to_wait(begin + 7s) == TimePoint::max());
    }

    TEST_CASE("for one client more than there is room for, the one that came first is closed") {
        Desk desk;
        std::vector<UniqueFd> silent;
        for (int i = 0; i < 9; ++i)
            silent.push_back(desk.connect());
        desk.run_turns(begin, 9);
        CHECK(heard_by(silent[0]) == "closed");
        CHECK(heard_by(silent[1]).empty());
        const UniqueFd client = desk.connect();
        say(client, status_request);
        desk.run_turns(begin + 1s);
        CHECK(contains(heard_by(client), "here"));
        CHECK(heard_by(silent[1]) == "closed");
    }

    TEST_CASE("one that waits for its order is closed for others only if they all wait") {
        Desk desk;
        const UniqueFd waiting = desk.connect();
        say(waiting, request_line("stop", false));
        desk.run_turns(begin);
        std::vector<UniqueFd> silent;
        for (int i = 0; i < 10; ++i)
            silent.push_back(desk.connect());
        desk.run_turns(begin + 1s, 10);
        CHECK(heard_by(waiting).empty());
        CHECK(heard_by(silent[0]) == "closed");
        CHECK(heard_by(silent[9]).empty());
        for (const UniqueFd& client : silent)
            if (heard_by(client).empty()) say(client, request_line("stop", false));
        desk.run_turns(begin + 2s, 10);
        const UniqueFd last = desk.connect();
        desk.run_turns(begin + 3s);
        CHECK(heard_by(waiting) == "closed");
    }

    TEST_CASE("at most one client is accepted in between_accepts, however many come") {
        Desk desk;
        std::vector<UniqueFd> crowd;
        for (int i = 0; i < 5; ++i) {
            crowd.push_back(desk.connect());
            say(crowd.back(), status_request);
        }
        (void)desk.control().prepare_to_wait(begin);
        desk.run_turns(begin, 1);
        for (int i = 0; i < 10; ++i)
            desk.control().attend(begin + 21ms);
        CHECK(desk.control().prepare_to_wait(begin + 21ms) <= begin + 30ms);
        CHECK(heard_by(crowd[1]).empty());
        desk.run_turns(begin + 1s, 5);
        CHECK(desk.heard() == 5);
    }

    TEST_CASE("a client that leaves before, during or after its request leaves no descriptor") {
        Desk desk;
        const auto before = open_descriptors();
        TimePoint now = begin;
        for (const std::string& text :
             {std::string{}, std::string{"{\"ver"}, status_request, request_line("stop", false)}) {
            {
                const UniqueFd client = desk.connect();
                if (!text.empty()) say(client, text);
            }
            desk.run_turns(now += 1s);
        }
        desk.control().answer_all(Order::stop, {0, "stopped"});
        desk.run_turns(now + 1s);
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("one that waits is asked for once, and answered with all that wait for the same") {
        Desk desk;
        const UniqueFd first = desk.connect();
        const UniqueFd second = desk.connect();
        const UniqueFd other = desk.connect();
        say(first, request_line("stop", false));
        say(second, request_line("stop", false));
        say(other, request_line("stop", true));
        desk.run_turns(begin, 6);
        CHECK(desk.heard() == 3);
        say(first, "more, which nobody reads");
        desk.control().answer_all(Order::stop, {3, "lost 1"});
        CHECK(contains(heard_by(first), "lost 1"));
        CHECK(contains(heard_by(second), "lost 1"));
        CHECK(heard_by(other).empty());
    }
}
