/// What a worker tells its master about the connections that it was handed.
#include "pool/worker.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/log.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/pool/worker_process.hpp"

using namespace bullpen;

namespace {

constexpr std::uint32_t depth = 2;

/// A worker's process and the master's end of its channel, which the test has.
struct Service {
    WorkerProcess& process;
    const ChannelEnds& channel;
    std::uint64_t handoffs = 0;

    [[nodiscard]] ScoreboardRow& row() const { return process.worker().row(); }
    [[nodiscard]] WorkerPages pages() const { return {&row() + 1, depth}; }

    /// Hands the connection over, as the master does, and lets the worker serve it once.
    void serve(const SocketPair& sockets, const Resumption& resumption = {}, int file = -1) {
        const Message message{.handoff = ++handoffs, .resumption = resumption};
        const std::array<int, 2> descriptors{sockets.server.get(), file};
        (void)send_message(channel.master.get(), message, std::span{descriptors}.first(file >= 0 ? 2 : 1));
        process.worker().serve(*process.worker().next_handed_off());
    }
    [[nodiscard]] Completion last() const { return pages().read(handoffs - 1); }
    [[nodiscard]] bool has_published(Completion::Kind kind) const {
        return pages().published() == handoffs && last().number == handoffs && last().kind == kind;
    }
    [[nodiscard]] bool has_woken_master() const {
        std::uint64_t count = 0;
        return ::read(process.seat().wake, &count, sizeof count) == sizeof count;
    }
};

/// Whether `body` returned true in a process whose worker has this handler.
bool in_service(const Handler& handler, const std::function<bool(Service&)>& body, WorkerSeat seat = {}) {
    const ChannelEnds channel = make_channel();
    seat.channels = {channel.worker.get()};
    seat.parks = seat.parks_files = true;
    return in_worker_process(
        seat,
        [&](WorkerProcess& process) {
            Service service{process, channel};
            return body(service);
        },
        handler, depth);
}

bool has_ended(const SocketPair& sockets) {
    char byte = 0;
    return ::recv(sockets.client.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

bool goes_on(const SocketPair& sockets) {
    char byte = 0;
    return ::send(sockets.server.get(), "x", 1, MSG_NOSIGNAL) == 1 &&
           ::recv(sockets.client.get(), &byte, 1, 0) == 1;
}

}  // namespace

/// Whether `body` returned true of a worker of datagrams.
bool with_datagram_worker(const std::function<bool(Worker&)>& body) {
    return in_worker_process({.delivery = Delivery::accept}, [&](WorkerProcess& process) {
        process.worker().ready();
        return body(process.worker());
    });
}

TEST_SUITE("pool: a worker's word to its master") {
    TEST_CASE("of a connection that has ended, which one, after its end and its count") {
        CHECK(in_service([](Connection& client) { client.write_all("x"); },
                         [](Service& service) {
                             bool right = true;
                             for (int i = 0; i < 5; ++i) {
                                 const SocketPair sockets = unix_sockets();
                                 service.serve(sockets);
                                 char byte = 0;
                                 right = right && ::recv(sockets.client.get(), &byte, 1, 0) == 1 &&
                                         has_ended(sockets) && service.has_published(Completion::Kind::ended);
                             }
                             return right && service.row().completed == 5 && service.row().finished == 0;
                         }));
    }

    TEST_CASE("each ending has its counter, and each is published alike") {
        CHECK(in_service([](Connection&) { throw std::runtime_error{"on purpose"}; },
                         [](Service& service) {
                             set_log_level(LogLevel::error);
                             service.serve(unix_sockets());
                             return service.row().failed == 1 &&
                                    service.has_published(Completion::Kind::ended);
                         }));
        CHECK(in_service([](Connection& client) { client.write_all("x"); },
                         [](Service& service) {
                             SocketPair sockets = unix_sockets();
                             sockets.client.reset();
                             service.serve(sockets);
                             return service.row().client_aborted == 1 &&
                                    service.has_published(Completion::Kind::ended);
                         }));
    }

    TEST_CASE("a connection that is to be reset is left to the master's close, which is asked for at once") {
        const auto wants_reset = [](Connection& client) {
            const linger now{.l_onoff = 1, .l_linger = 0};
            ::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        };
        CHECK(in_service(wants_reset, [](Service& service) {
            const SocketPair sockets = tcp_sockets();
            service.serve(sockets);
            return service.has_published(Completion::Kind::reset) && service.has_woken_master() &&
                   !has_ended(sockets) && service.row().completed == 1;
        }));
    }

    TEST_CASE("a connection that a child has goes on when its worker has ended with it") {
        CHECK(in_service([](Connection& client) { client.detach(); },
                         [](Service& service) {
                             const SocketPair sockets = unix_sockets();
                             service.serve(sockets);
                             return service.has_published(Completion::Kind::ended) && goes_on(sockets);
                         }));
    }

    TEST_CASE("one that waits for its client goes on, and the next handler gets what the last has left") {
        const auto waits = [](Connection& client) {
            client.state()[0] = std::byte(static_cast<unsigned char>(client.state()[0]) + 1);
            client.wait_at_most({Limit::header});
            return Next::await_input;
        };
        CHECK(in_service(waits, [](Service& service) {
            const SocketPair sockets = unix_sockets();
            Resumption resumption;
            for (unsigned char turn = 1; turn <= 5; ++turn) {
                service.serve(sockets, resumption);
                resumption = service.last().resumption;
                if (!service.has_published(Completion::Kind::parked) ||
                    resumption.state[0] != std::byte{turn} || resumption.parking.limit != Limit::header ||
                    service.last().file != Completion::File::none || !goes_on(sockets))
                    return false;
            }
            return service.row().returned == 5 && service.row().completed == 0;
        }));
    }

    TEST_CASE("its file is passed once: the master has it from then on") {
        const auto keeps_file = [](Connection& client) {
            if (!client.file()) client.file().reset(::memfd_create("test", MFD_CLOEXEC));
            return Next::await_input;
        };
        CHECK(in_service(keeps_file, [](Service& service) {
            const SocketPair sockets = unix_sockets();
            service.serve(sockets);
            Envelope envelope;
            if (service.last().file != Completion::File::passed ||
                receive_message(service.channel.master.get(), envelope, Wait::never) != Received::message)
                return false;
            const bool right = envelope.message().kind == MessageKind::file &&
                               envelope.message().handoff == 1 && envelope.descriptors[0];
            service.serve(sockets, service.last().resumption, envelope.descriptors[0].get());
            Envelope nothing;
            return right && service.last().file == Completion::File::same &&
                   receive_message(service.channel.master.get(), nothing, Wait::never) == Received::empty;
        }));
    }

    TEST_CASE("while it has a connection, the note of that says so") {
        static std::vector<Progress> told;
        static WorkerPages pages;
        const auto look = [](Connection& client) {
            const auto note = [] {
                for (std::uint32_t i = 0; i < depth; ++i)
                    if (pages.note(i).number() == 1) told.push_back(pages.note(i).read().progress);
            };
            note();
            std::array<std::byte, 1> buffer;
            (void)client.peek(buffer, {});
            note();
            client.take(buffer);
            note();
        };
        CHECK(in_service(look, [](Service& service) {
            pages = service.pages();
            const SocketPair sockets = unix_sockets();
            (void)!::send(sockets.client.get(), "x", 1, MSG_NOSIGNAL);
            service.serve(sockets);
            return told == std::vector{Progress::begun, Progress::begun, Progress::touched};
        }));
    }

    TEST_CASE("an orphan ends its connection, and tells nobody") {
        for (const Next next : {Next::close, Next::await_input}) {
            const auto is_orphaned_meanwhile = [next](Connection&) {
                ::raise(SIGTERM);  // It finds another parent than it had.
                return next;
            };
            WorkerSeat seat;
            seat.keeper = 1;
            CHECK(in_service(
                is_orphaned_meanwhile,
                [](Service& service) {
                    const SocketPair sockets = unix_sockets();
                    service.serve(sockets);
                    return WorkerProcess::is_orphan() && has_ended(sockets) &&
                           service.pages().published() == 0 && outcomes(service.row()) == 1;
                },
                seat));
        }
    }

    TEST_CASE("a worker of datagrams is busy from the first that it serves to the end of the batch") {
        CHECK(with_datagram_worker([](Worker& worker) {
            worker.receive_datagrams(3);
            worker.refuse_datagram();
            bool right = worker.activity() == Activity::idle;
            for (int i = 0; i < 2; ++i) {
                const std::uint64_t begun_ns = worker.begin_datagram(monotonic_ns());
                right =
                    right && worker.activity() == Activity::busy && worker.row().note.begun_ns == begun_ns;
                worker.end_datagram(begun_ns, i == 0);
                right = right && worker.activity() == Activity::busy && worker.row().note.begun_ns == 0;
            }
            worker.end_batch();
            const ScoreboardRow& row = worker.row();
            return right && worker.activity() == Activity::idle && row.begun_at_ns == 0 && row.busy_ns > 0 &&
                   row.accepted == 3 && row.begun == 3 && row.completed == 2 && row.failed == 1 &&
                   row.finished == 3;
        }));
    }
}
