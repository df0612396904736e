#include "core/datagram_batch.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>

#include <memory>
#include <string>

#include <bullpen/unique_fd.hpp>
#include "core/resolve.hpp"

using namespace bullpen;

namespace {

constexpr auto never = DatagramBatch::Wait::never;

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
    Address name() const { return Address::of_socket(socket.get()).with_type(SOCK_DGRAM); }

    UniqueFd socket;
    Address to;
};

/// A socket for datagrams, and the batch of its one worker.
struct Server {
    explicit Server(const char* where) : listener{Listener::open(resolve(where).front(), {})} {
        tell_destinations(listener.fd());
    }
    std::size_t receive(std::size_t limit = DatagramBatch::most) {
        return batch->receive(listener, limit, never);
    }

    Listener listener;
    std::unique_ptr<DatagramBatch> batch = std::make_unique<DatagramBatch>();
};

}  // namespace

TEST_SUITE("core: batches of datagrams") {
    TEST_CASE("datagrams are received together and answered together, over IPv4 and IPv6") {
        for (const char* host : {"udp:127.0.0.1:0", "udp:[::1]:0"}) {
            CAPTURE(host);
            Server server{host};
            CHECK(server.listener.is_for_datagrams());
            const Client client{server.listener.address()};
            CHECK(server.receive() == 0);
            client.send("question");
            client.send("");
            REQUIRE(server.receive() == 2);
            CHECK(server.batch->at(0).text() == "question");
            CHECK(server.batch->at(0).came_to().text() == server.listener.address().text());
            CHECK(server.batch->at(0).sender().port() == client.name().port());
            CHECK(server.batch->at(1).bytes().empty());
            CHECK(server.batch->at(0).answer("first"));
            CHECK(server.batch->at(0).answer("second"));
            CHECK(server.batch->at(1).answer("third"));
            CHECK(server.batch->has_answers());
            server.batch->send_answers();
            CHECK(!server.batch->has_answers());
            for (const char* text : {"first", "second", "third"})
                CHECK(client.receive().first == text);
        }
    }

    TEST_CASE("no more are received at once than the limit says, and than there is room for") {
        Server server{"udp:127.0.0.1:0"};
        const Client client{server.listener.address()};
        for (std::size_t i = 0; i < DatagramBatch::most + 5; ++i)
            client.send("x");
        CHECK(server.receive(3) == 3);
        CHECK(server.receive(1000) == DatagramBatch::most);
        CHECK(server.receive() == 2);
    }

    TEST_CASE("any number of answers is sent, however long they are together") {
        Server server{"udp:127.0.0.1:0"};
        const Client client{server.listener.address()};
        client.send("x");
        REQUIRE(server.receive() == 1);
        const std::string text(60'000, 'a');
        for (int i = 0; i < 3; ++i)
            CHECK(server.batch->at(0).answer(text));
        for (std::size_t i = 0; i < DatagramBatch::most + 1; ++i)
            CHECK(server.batch->at(0).answer("short"));
        server.batch->send_answers();
        for (int i = 0; i < 3; ++i)
            CHECK(client.receive().first == text);
        for (std::size_t i = 0; i < DatagramBatch::most + 1; ++i)
            CHECK(client.receive().first == "short");
        CHECK(!server.batch->at(0).answer(std::string(DatagramBatch::bytes_max + 1, 'a')));
    }

    TEST_CASE("what one receiver can't take keeps the others from nothing") {
        Server server{"unixgram:@bullpen-batch-test"};
        Client gone{server.listener.address()};
        Client client{server.listener.address()};
        const sockaddr_un nameless{.sun_family = AF_UNIX, .sun_path = {}};
        for (const Client* one : {&gone, &client})
            REQUIRE(::bind(one->socket.get(), reinterpret_cast<const sockaddr*>(&nameless),
                           sizeof nameless.sun_family) == 0);
        gone.send("x");
        client.send("y");
        REQUIRE(server.receive() == 2);
        gone.socket.reset();
        CHECK(server.batch->at(0).answer("to nobody"));
        CHECK(server.batch->at(1).answer("to somebody"));
        server.batch->send_answers();
        CHECK(client.receive().first == "to somebody");
    }

    TEST_CASE("an answer leaves from the address that was asked") {
        Server server{"udp:0.0.0.0:0"};
        const Client client{
            resolve("udp:127.0.0.7:" + std::to_string(server.listener.address().port())).front()};
        client.send("x");
        REQUIRE(server.receive() == 1);
        CHECK(server.batch->at(0).came_to().host() == "127.0.0.7");
        CHECK(server.batch->at(0).came_to().port() == server.listener.address().port());
        CHECK(server.batch->at(0).answer("y"));
        server.batch->send_answers();
        CHECK(client.receive() == std::pair<std::string, std::string>{"y", "127.0.0.7"});
    }

    TEST_CASE("so does the answer to one that came before the kernel was asked for addresses") {
        const Listener listener = Listener::open(resolve("udp:0.0.0.0:0").front(), {});
        const Client client{resolve("udp:127.0.0.7:" + std::to_string(listener.address().port())).front()};
        client.send("x");
        tell_destinations(listener.fd());
        DatagramBatch batch;
        REQUIRE(batch.receive(listener, 1, never) == 1);
        CHECK(batch.at(0).came_to().host() == "127.0.0.7");
        CHECK(batch.at(0).answer("y"));
        batch.send_answers();
        CHECK(client.receive() == std::pair<std::string, std::string>{"y", "127.0.0.7"});
    }

    TEST_CASE("a UNIX datagram's sender without a name can't be answered") {
        Server server{"unixgram:@bullpen-datagram-test"};
        const Client client{server.listener.address()};
        client.send("x");
        REQUIRE(server.receive() == 1);
        CHECK(server.batch->at(0).sender().text() == "unixgram:");
        CHECK(server.batch->at(0).came_to().text() == "unixgram:@bullpen-datagram-test");
        CHECK(!server.batch->at(0).can_be_answered());
        CHECK(!server.batch->at(0).answer("y"));
        CHECK(server.batch->fate(0) == DatagramFate::discarded);
    }

    TEST_CASE("what became of each is known") {
        Server server{"udp:127.0.0.1:0"};
        const Client client{server.listener.address()};
        for (int i = 0; i < 3; ++i)
            client.send("x");
        REQUIRE(server.receive() == 3);
        server.batch->at(0).answer("y");
        server.batch->at(0).refuse();
        server.batch->at(1).refuse();
        CHECK(server.batch->fate(0) == DatagramFate::answered);
        CHECK(server.batch->fate(1) == DatagramFate::refused);
        CHECK(server.batch->fate(2) == DatagramFate::discarded);
        server.batch->send_answers();
        client.send("x");
        REQUIRE(server.receive() == 1);
        CHECK(server.batch->fate(0) == DatagramFate::discarded);
    }

    TEST_CASE("one that is longer than there is room for is cut") {
        Server server{"unixgram:@bullpen-long-test"};
        const Client client{server.listener.address()};
        constexpr int room = 300'000;
        ::setsockopt(client.socket.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        client.send(std::string(DatagramBatch::bytes_max, 'x'));
        client.send(std::string(DatagramBatch::bytes_max + 1, 'x'));
        REQUIRE(server.receive() == 2);
        CHECK(!server.batch->at(0).is_truncated());
        CHECK(server.batch->at(1).is_truncated());
        CHECK(server.batch->at(1).bytes().size() == DatagramBatch::bytes_max);
    }

    TEST_CASE("once a listener lets in no more, what it has can still be received") {
        Server server{"udp:127.0.0.1:0"};
        const Client client{server.listener.address()};
        client.send("before");
        server.listener.stop_new_clients();
        client.send("after");
        REQUIRE(server.receive() == 1);
        CHECK(server.batch->at(0).text() == "before");
        CHECK(server.receive() == 0);
    }

    TEST_CASE("a port for datagrams is shared with nobody but siblings, among which the kernel deals out") {
        Listener listener = Listener::open(resolve("udp:127.0.0.1:0").front(), {});
        CHECK_THROWS(Listener::open(listener.address(), {}));
        listener.share_port();
        const Listener sibling = listener.open_sibling({});
        DatagramBatch batch;
        std::size_t received[2] = {};
        for (int i = 0; i < 64; ++i) {
            const Client client{listener.address()};
            client.send("x");
            received[0] += batch.receive(listener, 1, never);
            received[1] += batch.receive(sibling, 1, never);
        }
        CHECK(received[0] + received[1] == 64);
        CHECK(received[0] > 0);
        CHECK(received[1] > 0);
    }

    TEST_CASE("what finds no room in a socket's queue is counted") {
        Server server{"udp:127.0.0.1:0"};
        constexpr int little = 4096;
        ::setsockopt(server.listener.fd(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        const Client client{server.listener.address()};
        constexpr std::size_t sent = 100;
        for (std::size_t i = 0; i < sent; ++i)
            client.send(std::string(500, 'x'));
        std::size_t received = 0;
        while (const std::size_t more = server.receive())
            received += more;
        CHECK(received > 0);
        CHECK(server.listener.dropped() == sent - received);
    }
}
