/// Connections that go to and fro while workers die or lie: none is lost but those that they have begun.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
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
    HandoffProgress handoff = {};
    Completion completion = {};  ///< An honest one that would park it.

    void take() {
        Worker& worker = process.worker();
        (void)receive_message(worker.channel(), given, Wait::until_message);
        if (handoff)
            handoff = {*handoff.note(), given.message().handoff};  // The note of its first turn.
        else
            handoff = worker.note_received(given.message());
        handoff.receive(given.message().resumption, false);
        add(row().begun);
        completion = {.number = handoff.number(), .kind = Completion::Kind::parked, .exchanged = true};
    }
    void begin() { handoff.begin(false); }

    [[nodiscard]] ScoreboardRow& row() const { return process.worker().row(); }
    [[nodiscard]] WorkerPages pages() const { return {&row() + 1, process.header().pages_depth}; }

    void publish() const {
        pages().write(completion);
        if (completion.kind == Completion::Kind::parked) add(row().returned);
        pages().publish();
        process.wake_master();
    }
    /// Says that it has published so many more than it has.
    void claim(std::uint64_t more) const {
        *reinterpret_cast<std::atomic<std::uint64_t>*>(&row() + 1) += more;
        process.wake_master();
    }
    /// Sends a message as the file of its connection.
    void pass(int descriptor, MessageKind kind = MessageKind::file) const {
        const Message message{.kind = kind, .handoff = completion.number};
        (void)send_message(process.worker().channel(), message, std::span{&descriptor, 1});
    }
    void publish_with_file() {
        completion.file = Completion::File::passed;
        publish();
    }
};

using Crime = void (*)(Culprit&);
Crime crime = nullptr;  ///< Set before the master is started. Committed by the first worker of the slot.

void offend(WorkerProcess& process) {
    if (process.seat().generation > 1) return serve_handed_off(process);
    process.worker().ready();
    Culprit culprit{process};
    culprit.take();
    culprit.begin();
    crime(culprit);
    for (;;)
        ::pause();
}

void offend_before_it_begins(WorkerProcess& process) {
    if (process.seat().generation > 1) return serve_handed_off(process);
    process.worker().ready();
    Culprit culprit{process};
    culprit.take();
    crime(culprit);
    for (;;)
        ::pause();
}

constexpr Model offending{.name = "test", .summary = "", .delivery = Delivery::handoff, .work = offend};
constexpr Model offending_early{
    .name = "test", .summary = "", .delivery = Delivery::handoff, .work = offend_before_it_begins};
constexpr Model offending_among_many{
    .name = "test", .summary = "", .delivery = Delivery::handoff, .multiplexes = true, .work = offend};

/// A pool whose first worker offends, and a client that it is handed.
struct Scene {
    explicit Scene(Crime what, const Model& model = offending)
        : master{[&] {
              crime = what;
              return std::vector<PoolOptions>{pool_that_obeys(1, model)};
          }()} {
        REQUIRE(eventually([&] { return master.totals().idle == 1; }));
        descriptors = descriptors_of(master.pid());
        client = master.connect();
    }

    void check_that_it_is_replaced() const {
        CHECK(eventually([&] { return ended(master, ExitReason::replaced) == 1; }));
        CHECK(server_of(master.connect()) > 0);
        CHECK(eventually([&] { return master.board().header().spawns == 2; }));
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

/// This descriptor three times.
void send_three(const Culprit& culprit, UniqueFd descriptor, std::size_t size) {
    const std::array<int, 3> three{descriptor.get(), descriptor.get(), descriptor.get()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof three)> control{};
    Message message{.kind = MessageKind::file, .handoff = culprit.completion.number};
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
        CHECK(eventually([&] { return master.board().header().recovered == 1; }));
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

    TEST_CASE("a client for whose next request a worker waits goes to another when that dies, as it was") {
        PoolOptions pool = lone_worker();
        pool.await_next = milliseconds{10'000};
        RunningMaster master{{pool}};
        REQUIRE(eventually([&] { return master.totals().idle == 1; }));  // Or else the first client waits.
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "s") == "s");
        const pid_t worker = server_of(client);
        CHECK(eventually([&] { return master.board().row(0).awaiting_since_ns != 0; }));
        replace_by_force(master, worker);
        CHECK(answer_to(client, "g", 64) == kept_state());
        CHECK(server_of(client) != worker);
        CHECK(master.totals().lost == 0);
        CHECK(eventually([&] { return master.board().header().recovered == 1; }));
    }

    TEST_CASE("what a worker published in its last moment, without a word to the master, is as good as any") {
        Scene scene{[](Culprit& culprit) {
            culprit.completion.resumption.state.fill(std::byte{1});
            culprit.pages().write(culprit.completion);
            add(culprit.row().returned);
            culprit.pages().publish();
            ::_exit(3);
        }};
        CHECK(eventually([&] { return ended(scene.master, ExitReason::exited) == 1; }));
        CHECK(answer_to(scene.client, "g", 64) == std::string(64, '\1'));
        CHECK(scene.master.totals().lost == 0);
        scene.check_peace();
    }

    TEST_CASE("an ending that a worker has counted and not published is counted once") {
        Scene scene{[](Culprit& culprit) {
            culprit.completion.kind = Completion::Kind::ended;
            culprit.pages().write(culprit.completion);
            add(culprit.row().completed);
            ::kill(::getpid(), SIGKILL);
        }};
        CHECK(RunningMaster::answer(scene.client.get()).empty());
        CHECK(eventually([&] { return ended(scene.master, ExitReason::signalled) == 1; }));
        CHECK(scene.master.totals().completed == 1);
        CHECK(scene.master.totals().lost == 0);
        scene.check_peace();
    }

    TEST_CASE("one that it has neither counted nor published is lost") {
        Scene scene{[](Culprit& culprit) {
            culprit.completion.kind = Completion::Kind::ended;
            culprit.pages().write(culprit.completion);
            ::kill(::getpid(), SIGKILL);
        }};
        CHECK(RunningMaster::answer(scene.client.get()).empty());
        CHECK(eventually([&] { return scene.master.totals().lost == 1; }));
        CHECK(scene.master.totals().completed == 0);
        scene.check_peace();
    }
}

TEST_SUITE("pool: parking and workers that lie") {
    TEST_CASE("a worker that publishes what can't be is replaced, and its client is lost and counted") {
        check_replaced("the next number", [](Culprit& culprit) {
            ++culprit.completion.number;
            culprit.publish();
        });
        check_replaced("the number of none", [](Culprit& culprit) {
            culprit.completion.number = 0;
            culprit.publish();
        });
        check_replaced("a number that differs in the upper half", [](Culprit& culprit) {
            culprit.completion.number |= std::uint64_t{1} << 32;
            culprit.publish();
        });
        check_replaced("a kind that there isn't", [](Culprit& culprit) {
            culprit.completion.kind = static_cast<Completion::Kind>(77);
            culprit.publish();
        });
        check_replaced("nothing but ones", [](Culprit& culprit) {
            std::memset(static_cast<void*>(&culprit.completion), 0xff, sizeof culprit.completion);
            culprit.publish();
        });
        check_replaced("more than it has", [](Culprit& culprit) { culprit.claim(1000); });
        check_replaced("less than nothing", [](Culprit& culprit) { culprit.claim(~std::uint64_t{0}); });
        check_replaced("twice the same at once", [](Culprit& culprit) {
            culprit.pages().write(culprit.completion);
            culprit.pages().publish();
            culprit.publish();
        });
    }

    TEST_CASE("a worker that gives back in place of its client the one of an earlier turn is replaced") {
        Scene scene{[](Culprit& culprit) {
            culprit.publish();
            const Completion earlier = culprit.completion;
            culprit.take();
            culprit.begin();
            culprit.completion = earlier;
            culprit.publish();
        }};
        REQUIRE(is_parked(scene.master));
        say(scene.client, "s");
        scene.check_that_it_is_replaced();
        scene.check_that_the_client_is_lost();
        scene.check_peace();
    }

    TEST_CASE("a worker of a model that doesn't park is replaced if it does") {
        Scene scene{[](Culprit& culprit) { culprit.publish(); }, offending_among_many};
        CHECK(eventually([&] { return ended(scene.master, ExitReason::replaced) == 1; }));
        scene.check_that_the_client_is_lost();
        scene.check_peace();
    }

    TEST_CASE("the client of a liar that hasn't begun with it goes to the next worker") {
        Scene scene{[](Culprit& culprit) {
                        ++culprit.completion.number;
                        culprit.publish();
                    },
                    offending_early};
        scene.check_that_it_is_replaced();
        CHECK(answer_to(scene.client, "s") == "s");
        CHECK(scene.master.totals().lost == 0);
        scene.check_peace();
    }

    TEST_CASE("an ending that is published and never counted is put right at the worker's burial") {
        Scene scene{[](Culprit& culprit) {
            culprit.completion.kind = Completion::Kind::ended;
            culprit.publish();
            ::_exit(3);
        }};
        CHECK(RunningMaster::answer(scene.client.get()).empty());
        CHECK(eventually([&] { return ended(scene.master, ExitReason::exited) == 1; }));
        CHECK(scene.master.totals().completed == 1);
        CHECK(scene.master.totals().lost == 0);
        scene.check_peace();
    }

    TEST_CASE("a worker that announces a file and passes none is replaced, whatever it passes instead") {
        check_replaced("nothing", [](Culprit& culprit) { culprit.publish_with_file(); });
        check_replaced("nothing, on a channel it shut down", [](Culprit& culprit) {
            ::shutdown(culprit.process.worker().channel(), SHUT_RDWR);
            culprit.publish_with_file();
        });
        check_replaced("a message without a descriptor", [](Culprit& culprit) {
            const Message message{.kind = MessageKind::file, .handoff = culprit.completion.number};
            (void)send_message(culprit.process.worker().channel(), message, {});
            culprit.publish_with_file();
        });
        check_replaced("half a message", [](Culprit& culprit) {
            const Message message{.kind = MessageKind::file, .handoff = culprit.completion.number};
            (void)::send(culprit.process.worker().channel(), &message, 8, MSG_NOSIGNAL);
            culprit.publish_with_file();
        });
        check_replaced("a wrong kind of message", [](Culprit& culprit) {
            culprit.pass(file_with("x").get(), MessageKind::connection);
            culprit.publish_with_file();
        });
        check_replaced("the file of another handoff", [](Culprit& culprit) {
            ++culprit.completion.number;
            culprit.pass(file_with("x").get());
            --culprit.completion.number;
            culprit.publish_with_file();
        });
        check_replaced("a pipe", [](Culprit& culprit) {
            int ends[2];
            (void)!::pipe2(ends, O_CLOEXEC);
            culprit.pass(ends[0]);
            culprit.publish_with_file();
        });
        check_replaced("a directory", [](Culprit& culprit) {
            culprit.pass(UniqueFd{::open("/", O_RDONLY | O_CLOEXEC)}.get());
            culprit.publish_with_file();
        });
        check_replaced("its client's own socket", [](Culprit& culprit) {
            culprit.pass(culprit.given.descriptors[0].get());
            culprit.publish_with_file();
        });
        check_replaced("datagrams", [](Culprit& culprit) {
            culprit.pass(UniqueFd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}.get());
            culprit.publish_with_file();
        });
    }

    TEST_CASE("what a worker sends and then lingers can't block the master, whether it is looked at or not") {
        const Listener listener = Listener::open(resolve("127.0.0.1:0").front(), {});
        deaf = listener.address();
        check_replaced("in place of a file", [](Culprit& culprit) {
            culprit.pass(lingering_socket().get());
            culprit.publish_with_file();
        });
        check_replaced("beside a file", [](Culprit& culprit) {
            const UniqueFd file = file_with("x");
            const UniqueFd lingering = lingering_socket();
            const std::array<int, 2> both{lingering.get(), file.get()};
            (void)send_message(culprit.process.worker().channel(),
                               {.kind = MessageKind::file, .handoff = culprit.completion.number}, both);
            culprit.publish_with_file();
        });
        check_replaced("with half a message", [](Culprit& culprit) {
            send_three(culprit, lingering_socket(), 8);
            culprit.publish_with_file();
        });
        check_replaced("beyond what a message may have", [](Culprit& culprit) {
            send_three(culprit, lingering_socket(), sizeof(Message));
            culprit.publish_with_file();
        });
        Scene scene{[](Culprit& culprit) {
            for (int i = 0; i < 3; ++i)  // Never announced, and so not looked at before its death.
                culprit.pass(lingering_socket().get());
            ::kill(::getpid(), SIGKILL);
        }};
        CHECK(eventually([&] { return scene.master.totals().lost == 1; }));
        CHECK(server_of(scene.master.connect()) > 0);
        scene.check_peace();
    }

    TEST_CASE("wild words about how it waits do no harm") {
        Scene scene{[](Culprit& culprit) {
            culprit.completion.resumption.parking = {.deadline_ns = ~std::uint64_t{0},
                                                     .input_at_least = 1,
                                                     .what = static_cast<Await>(77),
                                                     .limit = static_cast<Limit>(200)};
            culprit.completion.file = static_cast<Completion::File>(77);
            culprit.completion.unused.fill(0xff);
            culprit.completion.resumption.state.fill(std::byte{0xfe});
            culprit.publish();
            ::_exit(3);
        }};
        CHECK(answer_to(scene.client, "s") == "s");
        CHECK(scene.master.totals().lost == 0);
        scene.check_peace();

        Scene expired{[](Culprit& culprit) {
            culprit.completion.resumption.parking = {.deadline_ns = 1, .limit = static_cast<Limit>(200)};
            culprit.publish();
            ::_exit(3);
        }};
        CHECK(RunningMaster::answer(expired.client.get()).empty());
        CHECK(timed_out(expired.master, Limit::idle) == 1);
        expired.check_peace();
    }
}

TEST_SUITE("pool: parking without descriptors") {
    TEST_CASE("a connection comes back though the master's limit was lowered under it") {
        RunningMaster master{{pool_that_obeys(1)}};
        const UniqueFd client = master.connect();
        CHECK(answer_to(client, "sh", 2) == "sh");
        rlimit before{};
        ::prlimit(master.pid(), RLIMIT_NOFILE, nullptr, &before);
        const rlimit none{.rlim_cur = 8, .rlim_max = before.rlim_max};
        ::prlimit(master.pid(), RLIMIT_NOFILE, &none, nullptr);
        say(client, "x");
        CHECK(is_parked(master));
        ::prlimit(master.pid(), RLIMIT_NOFILE, &before, nullptr);
        CHECK(answer_to(client, "g", 64) == kept_state());
        CHECK(master.totals().lost == 0);
        CHECK(ended(master, ExitReason::replaced) == 0);
        CHECK(law_holds(master));
    }
}
