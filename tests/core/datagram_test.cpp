#include "core/datagram.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>

#include <memory>
#include <string>

#include <bullpen/unique_fd.hpp>
#include "core/listener.hpp"
#include "core/resolve.hpp"

using namespace bullpen;

namespace {

/// A client with a socket of its own, and a port unless it is a UNIX one.
struct Client {
    explicit Client(const Address& server)
        : socket{::socket(server.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0)}, to{server} {}

    void send(std::string_view text) const {
        REQUIRE(::sendto(socket.get(), text.data(), text.size(), 0, to.data(), to.size()) ==
                static_cast<ssize_t>(text.size()));
    }
    /// And who sent it.
    std::pair<std::string, std::string> receive() const {
        std::string text(70'000, '\0');
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
        REQUIRE(::poll(&readable, 1, 10'000) == 1);
        const ssize_t got =
            ::recvfrom(socket.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        REQUIRE(got >= 0);
        text.resize(static_cast<std::size_t>(got));
        return {text, Address{reinterpret_cast<const sockaddr*>(&from), size}.host()};
    }

    UniqueFd socket;
    Address to;
};

bool answers(const Datagram& datagram, std::string_view text) {
    return datagram.answer(std::as_bytes(std::span{text}));
}

std::string text_of(const Datagram& datagram) {
    return {reinterpret_cast<const char*>(datagram.bytes().data()), datagram.bytes().size()};
}

}  // namespace

TEST_SUITE("core: datagrams") {
    TEST_CASE("one is received whole and answered, over IPv4 and IPv6") {
        for (const char* host : {"udp:127.0.0.1:0", "udp:[::1]:0"}) {
            const Listener listener = Listener::open(resolve(host).front(), {});
            CHECK(listener.is_for_datagrams());
            tell_destinations(listener.fd());
            const Client client{listener.address()};
            const auto datagram = std::make_unique<Datagram>();
            CHECK(!datagram->receive(listener.fd()));
            client.send("question");
            client.send("");
            REQUIRE(datagram->receive(listener.fd()));
            CHECK(text_of(*datagram) == "question");
            CHECK(datagram->own_port() == listener.address().port());
            CHECK(answers(*datagram, "answer"));
            REQUIRE(datagram->receive(listener.fd()));
            CHECK(datagram->bytes().empty());
            CHECK(!datagram->receive(listener.fd()));
            CHECK(client.receive().first == "answer");
        }
    }

    TEST_CASE("an answer leaves from the address that was asked") {
        const Listener listener = Listener::open(resolve("udp:0.0.0.0:0").front(), {});
        tell_destinations(listener.fd());
        const Client client{resolve("udp:127.0.0.7:" + std::to_string(listener.address().port())).front()};
        client.send("x");
        const auto datagram = std::make_unique<Datagram>();
        REQUIRE(datagram->receive(listener.fd()));
        CHECK(answers(*datagram, "y"));
        CHECK(client.receive() == std::pair<std::string, std::string>{"y", "127.0.0.7"});
    }

    TEST_CASE("a UNIX datagram's sender without a name can't be answered") {
        const Listener listener = Listener::open(resolve("unixgram:@bullpen-datagram-test").front(), {});
        const Client client{listener.address()};
        client.send("x");
        const auto datagram = std::make_unique<Datagram>();
        REQUIRE(datagram->receive(listener.fd()));
        CHECK(!answers(*datagram, "y"));
    }

    TEST_CASE("once a listener lets in no more, what it has can still be received") {
        Listener listener = Listener::open(resolve("udp:127.0.0.1:0").front(), {});
        const Client client{listener.address()};
        client.send("before");
        listener.stop_new_clients();
        client.send("after");
        const auto datagram = std::make_unique<Datagram>();
        REQUIRE(datagram->receive(listener.fd()));
        CHECK(text_of(*datagram) == "before");
        CHECK(!datagram->receive(listener.fd()));
    }

    TEST_CASE("a port for datagrams is shared with nobody") {
        const Listener listener = Listener::open(resolve("udp:127.0.0.1:0").front(), {});
        CHECK_THROWS(Listener::open(listener.address(), {}));
    }
}
