#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include <bullpen/connection.hpp>
#include "tests/core/connection_pair.hpp"
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

constexpr uid_t nobody = 65534;
constexpr uid_t somebody = 4711;

SocketPair message_sockets() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

/// Runs `body` in a child with the socket; returns the child's pid, once it has ended.
template <typename Body>
pid_t in_child(Body body) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(body() ? EXIT_SUCCESS : EXIT_FAILURE);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    return pid;
}

bool sends(const UniqueFd& socket, std::string_view text) {
    return ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

/// Sends a message with a descriptor.
bool sends_descriptor(const UniqueFd& socket) {
    char text[] = "fd";
    iovec bytes{.iov_base = text, .iov_len = 2};
    alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(int))]{};
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* const passed = CMSG_FIRSTHDR(&header);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = STDERR_FILENO;
    std::memcpy(CMSG_DATA(passed), &descriptor, sizeof descriptor);
    return ::sendmsg(socket.get(), &header, MSG_NOSIGNAL) == 2;
}

struct Reader {
    Reader() { pair.server.set_socket_timeouts(); }

    std::optional<ReceivedMessage> next() {
        auto message = pair.server.read_message(buffer);
        if (message) text.assign(reinterpret_cast<const char*>(buffer.data()), message->size);
        return message;
    }

    /// Has said that it wants to know the senders.
    void settle() {
        say(pair.client, "first");
        REQUIRE(next());
    }

    ConnectionPair pair = pair_of(message_sockets());
    std::array<std::byte, 8> buffer{};
    std::string text{};
};

}  // namespace

TEST_SUITE("core: messages with their senders") {
    TEST_CASE("each message has the process that sent it, whoever has connected") {
        Reader reader;
        reader.settle();
        const pid_t child = in_child([&] { return sends(reader.pair.client, "child"); });
        say(reader.pair.client, "we");
        const auto of_child = reader.next();
        REQUIRE((of_child && of_child->sender));
        CHECK(reader.text == "child");
        CHECK(of_child->sender->pid == child);
        CHECK(of_child->sender->uid == ::getuid());
        CHECK(of_child->sender->gid == ::getgid());
        const auto ours = reader.next();
        REQUIRE((ours && ours->sender));
        CHECK(reader.text == "we");
        CHECK(ours->sender->pid == ::getpid());
    }

    TEST_CASE("a sender that has changed its user between two messages is seen to have") {
        if (::geteuid() != 0) return;
        Reader reader;
        reader.settle();
        in_child([&] {
            return sends(reader.pair.client, "root") && ::setresgid(somebody, somebody, somebody) == 0 &&
                   ::setresuid(somebody, somebody, somebody) == 0 && sends(reader.pair.client, "other");
        });
        const auto first = reader.next();
        REQUIRE((first && first->sender));
        CHECK(first->sender->uid == 0);
        const auto second = reader.next();
        REQUIRE((second && second->sender));
        CHECK(reader.text == "other");
        CHECK(second->sender->uid == somebody);
        CHECK(second->sender->gid == somebody);
        CHECK(first->sender->pid == second->sender->pid);
    }

    TEST_CASE("one with the overflow user is a sender, too") {
        if (::geteuid() != 0) return;
        Reader reader;
        reader.settle();
        in_child([&] { return ::setresuid(nobody, nobody, nobody) == 0 && sends(reader.pair.client, "n"); });
        const auto message = reader.next();
        REQUIRE((message && message->sender));
        CHECK(message->sender->uid == nobody);
    }

    TEST_CASE("a message from before anybody asked has no sender") {
        Reader reader;
        say(reader.pair.client, "early");
        const auto message = reader.next();
        REQUIRE(message);
        CHECK(reader.text == "early");
        CHECK_FALSE(message->sender);
    }

    TEST_CASE("an empty message is one, a long one says that it is cut, and the end is neither") {
        Reader reader;
        reader.settle();
        say(reader.pair.client, "");
        say(reader.pair.client, "123456789");
        say(reader.pair.client, "next");
        const auto empty = reader.next();
        REQUIRE(empty);
        CHECK(empty->size == 0);
        CHECK_FALSE(empty->is_cut);
        const auto cut = reader.next();
        REQUIRE(cut);
        CHECK(cut->is_cut);
        CHECK(reader.text == "12345678");
        REQUIRE(reader.next());
        CHECK(reader.text == "next");
        ::shutdown(reader.pair.client.get(), SHUT_WR);
        CHECK_FALSE(reader.next());
        CHECK_FALSE(reader.next());
    }

    TEST_CASE("a message that comes later is waited for, until the read limit") {
        Reader reader;
        reader.settle();
        const pid_t child = ::fork();
        if (child == 0) {
            ::usleep(50'000);  // Most likely the reader waits by now.
            ::_exit(sends(reader.pair.client, "late") ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        REQUIRE(reader.next());
        CHECK(reader.text == "late");
        ::waitpid(child, nullptr, 0);
        reader.pair.server.limits().read = std::chrono::milliseconds{20};
        CHECK_THROWS_AS((void)reader.next(), TimedOut);
    }

    TEST_CASE("a descriptor that comes with a message is closed") {
        Reader reader;
        reader.settle();
        const long before = open_descriptors();
        REQUIRE(sends_descriptor(reader.pair.client));
        const auto message = reader.next();
        REQUIRE((message && message->sender));
        CHECK(reader.text == "fd");
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("of a TCP socket it is what is there, without a sender") {
        ConnectionPair pair = tcp_pair();
        say(pair.client, "tcp");
        std::array<std::byte, 8> buffer{};
        const auto message = pair.server.read_message(buffer);
        REQUIRE(message);
        CHECK(message->size == 3);
        CHECK_FALSE(message->sender);
        pair.client.reset();
        CHECK_FALSE(pair.server.read_message(buffer));
    }

    TEST_CASE("what was unread is no message") {
        Reader reader;
        reader.pair.server.unread(reader.buffer);
        CHECK_THROWS_AS((void)reader.next(), std::logic_error);
    }
}
