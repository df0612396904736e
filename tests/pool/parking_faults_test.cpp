/// Connections that go to and fro while workers die or lie: none is lost but those in their hands.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "tests/core/socket_pair.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;
using std::chrono::milliseconds;

namespace {

/// A pool with one worker that serves one client after the other.
PoolOptions lone_worker() {
    PoolOptions pool = pool_that_obeys(1);
    pool.handoff_when = HandoffWhen::readable;
    pool.queue_ahead = 0;
    return pool;
}

pid_t worker_of(const RunningMaster& master) {
    const UniqueFd client = master.connect();
    return server_of(client);
}

/// Kills the worker, and waits until its successor has come.
void replace_by_force(const RunningMaster& master, pid_t worker) {
    const auto before = ended(master, ExitReason::signalled);
    ::kill(worker, SIGKILL);
    REQUIRE(eventually([&] { return ended(master, ExitReason::signalled) == before + 1; }));
}

std::string kept_state() {
    std::string state(sizeof(ConnectionState), '\0');
    for (std::size_t i = 0; i < state.size(); ++i)
        state[i] = static_cast<char>(i + 1);
    return state;
}

/// A worker that breaks the rules with the first connection it is handed.
struct Culprit {
    WorkerProcess& process;
    Envelope given = {};
    Message message = {};  ///< An honest one that would give it back.

    void take() {
        (void)receive_message(process.worker().channel(), given, Wait::until_message);
        ++process.worker().row().begun;
        message = given.message;
        message.kind = MessageKind::returned;
        message.parking.limit = Limit::idle;
    }
    void send(int descriptor) const {
        (void)send_message(process.worker().channel(), message, std::span{&descriptor, 1});
    }
    void give_back() const { send(given.descriptors[0].get()); }

    /// Says that it gave back so many.
    void count(std::uint64_t connections = 1) const {
        process.worker().row().returned += connections;
        process.wake_master();
    }
};

using Crime = void (*)(Culprit&);
Crime crime = nullptr;  ///< Set before the master is started. Committed by the first worker of the slot.

void offend(WorkerProcess& process) {
    if (process.seat().generation > 1) return serve_handed_off(process);
    process.worker().ready();
    Culprit culprit{process};
    culprit.take();
    crime(culprit);
    for (;;)
        ::pause();
}

constexpr Model offending{.name = "test", .summary = "", .delivery = Delivery::handoff, .work = offend};

/// A pool whose first worker offends, and a client that it is handed.
struct Scene {
    explicit Scene(Crime what)
        : master{[&] {
              crime = what;
              return std::vector<PoolOptions>{pool_that_obeys(1, offending)};
          }()} {
        REQUIRE(eventually([&] { return master.totals().idle == 1; }));
        descriptors = descriptors_of(master.pid());
        client = master.connect();
    }

    void check_that_it_is_replaced() const {
        CHECK(eventually([&] { return ended(master, ExitReason::replaced) == 1; }));
        CHECK(server_of(master.connect()) > 0);
        CHECK(master.board().header().spawns == 2);
    }
    void check_that_the_client_is_lost() const {
        CHECK(RunningMaster::answer(client.get()).empty());
        CHECK(master.totals().lost == 1);
    }

    /// What is left when all is over.
    void check_peace() {
        client.reset();
        CHECK(law_holds(master));
        CHECK(eventually([&] { return descriptors_of(master.pid()) == descriptors; }));
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    RunningMaster master;
    std::size_t descriptors = 0;
    UniqueFd client;
};

Address deaf;  ///< Who connects there is never read from.

/// The last to close it waits for a minute.
UniqueFd lingering_socket() {
    UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    (void)!::connect(socket.get(), deaf.data(), deaf.size());
    const std::string bytes(65536, 'x');
    while (::send(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0)
        continue;
    const linger minute{.l_onoff = 1, .l_linger = 60};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &minute, sizeof minute);
    return socket;
}

/// The client's own socket, then this one twice.
void send_with_three(const Culprit& culprit, UniqueFd socket, std::size_t size) {
    const std::array<int, 3> three{culprit.given.descriptors[0].get(), socket.get(), socket.get()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof three)> control{};
    Message message = culprit.message;
    iovec payload{&message, size};
    msghdr header{};
    header.msg_iov = &payload;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof three);
    std::memcpy(CMSG_DATA(rights), three.data(), sizeof three);
    (void)::sendmsg(culprit.process.worker().channel(), &header, MSG_NOSIGNAL);
}

/// The worker gives back this descriptor in place of its client's.
template <typename Make>
void check_forgery(const char* what, Make) {
    CAPTURE(what);
    Scene scene{[](Culprit& culprit) {
        const auto forged = Make{}();
        culprit.send(forged.get());
        culprit.count();
    }};
    scene.check_that_it_is_replaced();
    scene.check_that_the_client_is_lost();
    scene.check_peace();
}

void check_replaced(const char* what, Crime committed) {
    CAPTURE(what);
    Scene scene{committed};
    scene.check_that_it_is_replaced();
    scene.check_that_the_client_is_lost();
    scene.check_peace();
}

}  // namespace

TEST_SUITE("pool: parking and workers that die") {
    TEST_CASE("a worker's death doesn't concern clients that are parked, whatever they wait for") {
        RunningMaster master{{lone_worker()}};
        const UniqueFd fresh = master.connect();
        const UniqueFd served = master.connect();
        CHECK(answer_to(served, "s") == "s");
        const UniqueFd begun = master.connect();
        CHECK(answer_to(begun, "sH", 2) == "sH");
        const UniqueFd sending = master.connect();
        say(sending, "w");
        const UniqueFd keeping = master.connect();
        CHECK(answer_to(keeping, "f") == "f");
        for (int death = 0; death < 2; ++death) {  // And the same of those that are parked again.
            const pid_t worker = worker_of(master);
            REQUIRE(is_parked(master, 5));
            replace_by_force(master, worker);
            CHECK(answer_to(fresh, "s") == "s");
            CHECK(answer_to(served, "g", 64) == kept_state());
            CHECK(answer_to(begun, "gH", 65) == kept_state() + "H");
            CHECK(answer_to(keeping, "r", 4) == "kept");
        }
        CHECK(answer_to(begun, "s") == "s");  // So that it doesn't hold up the stop.
        CHECK(is_large_content(RunningMaster::answer(sending.get())));
        CHECK(master.totals().lost == 0);
        CHECK(law_holds(master));
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE(
        "a parked client that was handed to a worker which dies before it looks goes to the next, unharmed") {
        RunningMaster master{{lone_worker()}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "sf", 2) == "sf");
        const pid_t worker = server_of(client);
        REQUIRE(is_parked(master));
        stand_still(worker);
        say(client, "gr");
        REQUIRE(eventually([&] { return master.totals().queued == 1; }));
        replace_by_force(master, worker);
        CHECK(answer_to(client, "", 68) == kept_state() + "kept");
        CHECK(master.board().header().recovered == 1);
        CHECK(master.totals().lost == 0);
        CHECK(law_holds(master));
    }

    TEST_CASE("a parked client that was handed to a worker which is stuck goes to another, unharmed") {
        PoolOptions pool = pool_that_obeys(2);
        pool.stuck_after = milliseconds{20};
        RunningMaster master{{pool}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "sf", 2) == "sf");
        const pid_t worker = server_of(client);
        REQUIRE(is_parked(master));
        stand_still(worker);
        CHECK(answer_to(client, "gr", 68) == kept_state() + "kept");
        CHECK(server_of(client) != worker);
        ::kill(worker, SIGCONT);
        REQUIRE(is_parked(master));
        CHECK(eventually([&] { return master.totals().idle == 2; }));
        CHECK(law_holds(master));
    }

    TEST_CASE(
        "one that waits for the worker survives it, and the one in its hands is lost, in the first turn or "
        "later") {
        for (const bool first_turn : {true, false}) {
            RunningMaster master{{lone_worker()}};
            const UniqueFd waiting = master.connect();
            CHECK(answer_to(waiting, "s") == "s");
            const UniqueFd held = master.connect();
            if (!first_turn) CHECK(answer_to(held, "s") == "s");
            REQUIRE(is_parked(master, 2));
            const pid_t worker = worker_of(master);
            CHECK(answer_to(held, "h") == "h");
            say(waiting, "g");
            REQUIRE(eventually([&] { return master.totals().queued == 1; }));
            replace_by_force(master, worker);
            CHECK(answer_to(waiting, "", 64) == kept_state());
            CHECK(RunningMaster::answer(held.get()).empty());
            CHECK(master.totals().lost == 1);
            CHECK(law_holds(master));
            CHECK(master.stop() == 0);
            CHECK(master.totals().unaccounted() == 0);
        }
    }

    TEST_CASE("a client that leaves while a worker has it, or while it waits for one, is counted once") {
        RunningMaster master{{lone_worker()}};
        const pid_t worker = worker_of(master);
        UniqueFd in_channel = master.connect();
        UniqueFd waiting = master.connect();
        CHECK(answer_to(in_channel, "s") == "s");
        CHECK(answer_to(waiting, "s") == "s");
        REQUIRE(is_parked(master, 2));
        stand_still(worker);
        say(in_channel, "s");
        REQUIRE(eventually([&] { return master.totals().queued == 1; }));
        say(waiting, "s");
        REQUIRE(eventually([&] { return master.totals().queued == 2; }));
        reset_by(in_channel);
        reset_by(waiting);
        ::kill(worker, SIGCONT);
        CHECK(eventually([&] { return master.totals().client_aborted == 2; }));
        UniqueFd closed_here = master.connect();
        say(closed_here, "sc");
        CHECK(RunningMaster::answer(closed_here.get()) == "s");
        CHECK(law_holds(master));
        CHECK(master.totals().completed == 2);
        CHECK(master.totals().lost == 0);
    }

    TEST_CASE("what a worker gave back in its last moment, and didn't count, is as good as any") {
        Scene scene{[](Culprit& culprit) {
            culprit.message.state.fill(std::byte{1});
            culprit.give_back();
            ::_exit(3);
        }};
        CHECK(eventually([&] { return ended(scene.master, ExitReason::exited) == 1; }));
        CHECK(answer_to(scene.client, "g", 64) == std::string(64, '\1'));
        CHECK(scene.master.totals().lost == 0);
        scene.check_peace();
    }
}

TEST_SUITE("pool: parking and workers that lie") {
    TEST_CASE("a worker that gives back what it wasn't handed is replaced, and nothing of it is kept") {
        check_forgery("a file", [] { return UniqueFd{::open("/proc/self/status", O_RDONLY | O_CLOEXEC)}; });
        check_forgery("a pipe", [] {
            int ends[2];
            (void)!::pipe2(ends, O_CLOEXEC);
            return UniqueFd{ends[0]};
        });
        check_forgery("a listening socket", [] {
            UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
            ::listen(socket.get(), 1);
            return socket;
        });
        check_forgery("a UNIX socket", [] { return unix_sockets().server; });
        check_forgery("datagrams", [] { return UniqueFd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}; });
        check_forgery("somebody else's connection", [] { return tcp_sockets().server; });
    }

    TEST_CASE("what a worker sends and then lingers can't block the master, whether it is looked at or not") {
        const Listener listener = Listener::open(resolve("127.0.0.1:0").front(), {});
        deaf = listener.address();
        check_replaced("in place of its client's socket", [](Culprit& culprit) {
            culprit.send(lingering_socket().get());
            culprit.count();
        });
        check_replaced("in place of a file", [](Culprit& culprit) {
            const UniqueFd lingering = lingering_socket();
            const std::array<int, 2> both{culprit.given.descriptors[0].get(), lingering.get()};
            (void)send_message(culprit.process.worker().channel(), culprit.message, both);
            culprit.count();
        });
        check_replaced("with half a message", [](Culprit& culprit) {
            send_with_three(culprit, lingering_socket(), 8);
            culprit.count();
        });
        check_replaced("beyond what a message may have", [](Culprit& culprit) {
            send_with_three(culprit, lingering_socket(), sizeof(Message));
            culprit.count();
        });
        Scene scene{[](Culprit& culprit) {
            for (int i = 0; i < 3; ++i)  // Never counted, and so never looked at before its death.
                culprit.send(lingering_socket().get());
            ::kill(::getpid(), SIGKILL);
        }};
        CHECK(eventually([&] { return scene.master.totals().lost == 1; }));
        CHECK(server_of(scene.master.connect()) > 0);
        scene.check_peace();
    }

    TEST_CASE(
        "a worker that gives back another socket in the second turn is replaced, whatever it looks like") {
        Scene scene{[](Culprit& culprit) {
            culprit.give_back();
            culprit.count();
            culprit.take();
            culprit.send(UniqueFd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}.get());
            culprit.count();
        }};
        REQUIRE(is_parked(scene.master));
        say(scene.client, "s");
        scene.check_that_it_is_replaced();
        scene.check_that_the_client_is_lost();
        scene.check_peace();
    }

    TEST_CASE("a worker that gives back in a wrong way is replaced") {
        check_replaced("a wrong number", [](Culprit& culprit) {
            ++culprit.message.handoff;
            culprit.give_back();
            culprit.count();
        });
        check_replaced("no descriptor", [](Culprit& culprit) {
            (void)send_message(culprit.process.worker().channel(), culprit.message, {});
            culprit.count();
        });
        check_replaced("a wrong kind of message", [](Culprit& culprit) {
            culprit.message.kind = MessageKind::connection;
            culprit.give_back();
            culprit.count();
        });
        check_replaced("half a message", [](Culprit& culprit) {
            (void)::send(culprit.process.worker().channel(), &culprit.message, 8, MSG_NOSIGNAL);
            culprit.count();
        });
        check_replaced("nothing, but says so", [](Culprit& culprit) { culprit.count(); });
        check_replaced("more than it has", [](Culprit& culprit) { culprit.count(1000); });
        check_replaced("less than nothing", [](Culprit& culprit) { culprit.count(~std::uint64_t{0}); });
        check_replaced("nothing, on a channel it shut down", [](Culprit& culprit) {
            ::shutdown(culprit.process.worker().channel(), SHUT_RDWR);
            culprit.count();
        });
    }

    TEST_CASE("a worker that gives a connection back twice is replaced, and it is kept once") {
        Scene at_once{[](Culprit& culprit) {
            culprit.give_back();
            culprit.give_back();
            culprit.count(2);
        }};
        at_once.check_that_it_is_replaced();
        CHECK(answer_to(at_once.client, "s") == "s");
        CHECK(at_once.master.totals().lost == 0);
        at_once.check_peace();

        Scene in_place_of_the_next{[](Culprit& culprit) {
            culprit.give_back();
            culprit.give_back();
            culprit.count();
            culprit.take();
            culprit.count();
        }};
        REQUIRE(is_parked(in_place_of_the_next.master));
        say(in_place_of_the_next.client, "s");
        in_place_of_the_next.check_that_it_is_replaced();
        in_place_of_the_next.check_that_the_client_is_lost();
        in_place_of_the_next.check_peace();
    }

    TEST_CASE("wild words about how it waits do no harm") {
        Scene scene{[](Culprit& culprit) {
            culprit.message.parking = {.deadline_ns = ~std::uint64_t{0},
                                       .input_at_least = 1,
                                       .what = static_cast<Await>(77),
                                       .limit = static_cast<Limit>(200)};
            culprit.message.listener = ~std::uint32_t{0};
            culprit.message.since_ns = ~std::uint64_t{0};
            culprit.message.generation = 99;
            culprit.message.state.fill(std::byte{0xff});
            culprit.give_back();
            ::_exit(3);
        }};
        CHECK(answer_to(scene.client, "s") == "s");
        CHECK(scene.master.totals().lost == 0);
        scene.check_peace();

        Scene expired{[](Culprit& culprit) {
            culprit.message.parking = {.deadline_ns = 1, .limit = static_cast<Limit>(200)};
            culprit.give_back();
            ::_exit(3);
        }};
        CHECK(RunningMaster::answer(expired.client.get()).empty());
        CHECK(timed_out(expired.master, Limit::idle) == 1);
        expired.check_peace();
    }
}

TEST_SUITE("pool: parking without descriptors") {
    TEST_CASE(
        "what comes back when the master's limit was lowered under it is lost and counted; its worker "
        "stays") {
        RunningMaster master{{pool_that_obeys(1)}};
        const UniqueFd first = master.connect();
        CHECK(answer_to(first, "sh", 2) == "sh");
        rlimit before{};
        ::prlimit(master.pid(), RLIMIT_NOFILE, nullptr, &before);
        const rlimit none{.rlim_cur = 8, .rlim_max = before.rlim_max};
        ::prlimit(master.pid(), RLIMIT_NOFILE, &none, nullptr);
        say(first, "x");
        CHECK(RunningMaster::answer(first.get()).empty());
        ::prlimit(master.pid(), RLIMIT_NOFILE, &before, nullptr);
        CHECK(eventually([&] { return master.totals().lost == 1; }));
        CHECK(master.board().header().lost[static_cast<std::size_t>(ExitReason::descriptors)] == 1);
        const UniqueFd second = master.connect();
        CHECK(answer_to(second, "s") == "s");
        CHECK(ended(master, ExitReason::replaced) == 0);
        CHECK(law_holds(master));
    }
}
