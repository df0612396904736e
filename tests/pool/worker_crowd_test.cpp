/// A worker that receives several connections at once, and what its master withdraws of them.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <random>
#include <vector>

#include "core/thread.hpp"
#include "tests/core/socket_pair.hpp"
#include "tests/pool/worker_process.hpp"

using namespace bullpen;

namespace {

constexpr std::uint32_t depth = 9;

/// Messages of one call: they are received together.
struct Together {
    std::vector<SocketPair> sockets;
    std::uint64_t first = 0;  ///< The first one's handoff.
};

struct Service {
    WorkerProcess& process;
    const ChannelEnds& channel;
    std::uint64_t handoffs = 0;

    [[nodiscard]] WorkerPages pages() const { return {&process.worker().row() + 1, depth}; }

    Together hand(std::size_t count) {
        Together together{.sockets = {}, .first = handoffs + 1};
        std::vector<Message> messages;
        std::vector<int> descriptors;
        for (std::size_t i = 0; i < count; ++i) {
            descriptors.push_back(together.sockets.emplace_back(unix_sockets()).server.get());
            messages.push_back({.handoff = ++handoffs});
        }
        if (send_messages(channel.master.get(), messages, descriptors) != Sent::sent)
            together.sockets.clear();
        return together;
    }
    /// Lets the worker serve what it has been handed.
    void serve_all() {
        for (;;) {
            Worker::Polled next = process.worker().poll_handed_off();
            if (!next.client) return;
            process.worker().serve(std::move(*next.client));
        }
    }
    [[nodiscard]] std::vector<Completion> completions() const {
        std::vector<Completion> all;
        for (std::uint64_t i = 0; i < pages().published(); ++i)
            all.push_back(pages().read(i));
        return all;
    }
};

bool in_service(const Handler& handler, const std::function<bool(Service&)>& body,
                std::chrono::milliseconds await_next = {}) {
    const ChannelEnds channel = make_channel();
    WorkerSeat seat;
    seat.channels = {channel.worker.get()};
    seat.parks = true;
    seat.await_next = await_next;
    return in_worker_process(
        seat,
        [&](WorkerProcess& process) {
            Service service{process, channel};
            return body(service);
        },
        handler, depth);
}

/// What the handlers below write: who is served.
void greet(Connection& client) {
    client.write_all("x");
}

bool was_served(const SocketPair& pair) {
    char byte = 0;
    return ::recv(pair.client.get(), &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x';
}

bool has_ended(const SocketPair& pair) {
    char byte = 0;
    return ::recv(pair.client.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

TEST_SUITE("pool: a worker with several connections in hand") {
    TEST_CASE("it serves one after the other, in their order, and says of each that it has ended") {
        CHECK(in_service(greet, [](Service& service) {
            const Together together = service.hand(messages_at_once);
            service.serve_all();
            const std::vector<Completion> said = service.completions();
            bool right = said.size() == messages_at_once;
            for (std::size_t i = 0; right && i < said.size(); ++i)
                right = said[i].number == together.first + i && said[i].kind == Completion::Kind::ended &&
                        was_served(together.sockets[i]) && has_ended(together.sockets[i]);
            return right && service.process.worker().in_hand() == 0;
        }));
    }

    TEST_CASE("its notes say which is the next and which are queued") {
        static std::vector<Progress> told;
        static WorkerPages pages;
        const auto look = [](Connection&) {
            for (std::uint64_t number = 1; number <= 3; ++number)
                for (std::uint32_t i = 0; i < depth; ++i)
                    if (pages.note(i).number() == number) told.push_back(pages.note(i).read().progress);
        };
        CHECK(in_service(look, [](Service& service) {
            pages = service.pages();
            const Together together = service.hand(3);
            Worker::Polled next = service.process.worker().poll_handed_off();
            service.process.worker().serve(std::move(*next.client));
            return told == std::vector{Progress::begun, Progress::queued, Progress::queued};
        }));
    }

    TEST_CASE("what was withdrawn it declines, and closes its copy without ending the connection") {
        CHECK(in_service(greet, [](Service& service) {
            const Together together = service.hand(3);
            Worker::Polled next = service.process.worker().poll_handed_off();
            service.pages().withdraw(3);
            service.process.worker().serve(std::move(*next.client));
            service.serve_all();
            const std::vector<Completion> said = service.completions();
            bool right = said.size() == 3 && said[0].kind == Completion::Kind::ended;
            for (std::size_t i = 1; right && i < said.size(); ++i) {
                char byte = 0;
                const bool goes_on = ::send(together.sockets[i].server.get(), "y", 1, MSG_NOSIGNAL) == 1 &&
                                     ::recv(together.sockets[i].client.get(), &byte, 1, 0) == 1 &&
                                     byte == 'y';
                right = said[i].kind == Completion::Kind::declined && said[i].number == i + 1 && goes_on;
            }
            return right && service.process.worker().row().begun == 1;
        }));
    }

    TEST_CASE("what it is handed after a withdrawal it serves") {
        CHECK(in_service(greet, [](Service& service) {
            const Together before = service.hand(2);
            service.pages().withdraw(2);
            service.serve_all();
            const Together after = service.hand(2);
            service.serve_all();
            return was_served(before.sockets[0]) && !was_served(before.sockets[1]) &&
                   was_served(after.sockets[0]) && was_served(after.sockets[1]) &&
                   service.completions().size() == 4;
        }));
    }

    TEST_CASE("it doesn't await a kept client's next request while another is in its hands") {
        const auto waits = [](Connection& client) {
            std::array<std::byte, 1> buffer;
            return client.peek(buffer, {}) ? Next::close : Next::await_input;
        };
        constexpr std::chrono::minutes for_ever{10};  // Longer than the test's patience.
        CHECK(in_service(
            waits,
            [](Service& service) {
                const Together together = service.hand(2);
                Worker::Polled next = service.process.worker().poll_handed_off();
                service.process.worker().serve(std::move(*next.client));
                return service.completions().size() == 1 &&
                       service.completions()[0].kind == Completion::Kind::parked;
            },
            for_ever));
    }

    TEST_CASE("a child that its handler forks has none of the others") {
        static pid_t child = 0;
        const auto forks_once = [](Connection&) {
            if (child == 0) child = ::fork();
            if (child == 0) ::pause();
        };
        CHECK(in_service(forks_once, [](Service& service) {
            Together together = service.hand(2);
            for (SocketPair& pair : together.sockets)
                pair.server.reset();  // The master's copy: without it a child's would be the last one.
            Worker::Polled next = service.process.worker().poll_handed_off();
            service.pages().withdraw(2);
            service.process.worker().serve(std::move(*next.client));
            service.serve_all();
            char byte = 0;
            const bool ended = ::recv(together.sockets[1].client.get(), &byte, 1, 0) == 0;
            ::kill(child, SIGKILL);
            return ended;
        }));
    }

    TEST_CASE(
        "whenever the master withdraws, each connection is either served or declined, and the master takes "
        "back none that is served") {
        CHECK(in_service(greet, [](Service& service) {
            std::mt19937 random{7};
            const WorkerPages pages = service.pages();
            for (int round = 0; round < 3000; ++round) {
                const Together together = service.hand(messages_at_once);
                const std::uint64_t last = service.handoffs;
                const auto delay = static_cast<unsigned>(random() % 400);
                std::vector<std::uint64_t> taken;
                {
                    const Thread master{[&] {
                        for (unsigned i = 0; i < delay; ++i)
                            (void)pages.published();
                        pages.withdraw(last);
                        for (std::uint32_t i = 0; i < depth; ++i) {
                            const HandoffNote::Told told = pages.note(i).read();
                            if (told.number >= together.first && told.progress == Progress::queued)
                                taken.push_back(told.number);
                        }
                    }};
                    service.serve_all();
                }
                if (pages.published() != last) return false;
                for (std::uint64_t number = together.first; number <= last; ++number) {
                    const Completion said = pages.read(number - 1);
                    const bool served = was_served(together.sockets[number - together.first]);
                    const bool was_taken = std::find(taken.begin(), taken.end(), number) != taken.end();
                    if (said.number != number || served == (said.kind == Completion::Kind::declined) ||
                        (was_taken && served))
                        return false;
                }
            }
            return true;
        }));
    }
}
