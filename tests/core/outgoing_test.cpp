#include "core/outgoing.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include <bullpen/unique_fd.hpp>
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using Outcome = TransferStep::Outcome;

namespace {

UniqueFd file_with_text(std::string_view text) {
    UniqueFd file{::memfd_create("test", MFD_CLOEXEC)};
    REQUIRE(::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    return file;
}

OutgoingBytes bytes_of(std::string_view text) {
    return {std::as_bytes(std::span{text}), 0};
}

std::string received(const UniqueFd& socket) {
    std::string text(64, '\0');
    const ssize_t size = ::recv(socket.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

}  // namespace

TEST_SUITE("outgoing") {
    TEST_CASE("bytes leave, and none are left") {
        const SocketPair pair = unix_sockets();
        ConnectionFailure failure;
        OutgoingBytes rest = bytes_of("answer");
        const TransferStep step = send_step(rest, pair.server.get(), failure);
        CHECK(step.outcome == Outcome::moved);
        CHECK(step.bytes == 6);
        CHECK(rest.left() == 0);
        CHECK(received(pair.client) == "answer");
    }

    TEST_CASE("of a file leaves the part that was asked for, and its own offset stays") {
        const SocketPair pair = unix_sockets();
        ConnectionFailure failure;
        const UniqueFd file = file_with_text("0123456789");
        ::lseek(file.get(), 1, SEEK_SET);
        OutgoingFile rest{file.get(), 3, 4};
        CHECK(send_step(rest, pair.server.get(), failure).bytes == 4);
        CHECK(rest.left() == 0);
        CHECK(received(pair.client) == "3456");
        CHECK(::lseek(file.get(), 0, SEEK_CUR) == 1);
    }

    TEST_CASE("a client that takes nothing more keeps nobody waiting, and what is left stays") {
        const SocketPair pair = unix_sockets();
        ConnectionFailure failure;
        const std::string much(10'000'000, 'x');
        OutgoingBytes rest = bytes_of(much);
        std::size_t sent = 0;
        TransferStep step;
        while ((step = send_step(rest, pair.server.get(), failure)).outcome == Outcome::moved)
            sent += step.bytes;
        CHECK(step.outcome == Outcome::would_block);
        CHECK(sent > 0);
        CHECK(rest.left() == much.size() - sent);
    }

    TEST_CASE("a client that has left is told from other failures") {
        SocketPair pair = unix_sockets();
        ConnectionFailure failure;
        pair.client.reset();
        OutgoingBytes rest = bytes_of("answer");
        CHECK_THROWS_AS((void)send_step(rest, pair.server.get(), failure), ClientGone);
        CHECK(failure.client_gone());
        CHECK(rest.left() == 6);

        ConnectionFailure other;
        CHECK_THROWS_AS((void)send_step(rest, -1, other), std::system_error);
        CHECK(!other.client_gone());
    }

    TEST_CASE("a file that has become shorter is an error: the client was promised those bytes") {
        const SocketPair pair = unix_sockets();
        ConnectionFailure failure;
        const UniqueFd file = file_with_text("short");
        OutgoingFile rest{file.get(), 0, 10};
        CHECK(send_step(rest, pair.server.get(), failure).bytes == 5);
        CHECK_THROWS_AS((void)send_step(rest, pair.server.get(), failure), std::runtime_error);
        CHECK(!failure.client_gone());
    }
}
