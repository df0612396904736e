#include "core/listener.hpp"
#include <bullpen/listen_options.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include <bullpen/connection.hpp>
#include "core/resolve.hpp"
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

Listener listen_on(const std::string& text, const ListenOptions& options = {}) {
    return Listener::open(resolve(text).front(), options);
}

int error_of(const std::string& text) {
    try {
        listen_on(text);
    } catch (const std::system_error& error) {
        return error.code().value();
    }
    return 0;
}

/// A client that has connected, or an empty descriptor if nobody let it in within a moment.
UniqueFd connect_to(const Address& address) {
    UniqueFd client{::socket(address.family(), address.type() | SOCK_CLOEXEC, 0)};
    const timeval moment{.tv_sec = 0, .tv_usec = 300'000};
    ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof moment);
    if (::connect(client.get(), address.data(), address.size()) != 0) client.reset();
    return client;
}

bool accepts_one(const Listener& listener) {
    const UniqueFd client{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    return static_cast<bool>(client);
}

struct TemporaryDirectory {
    TemporaryDirectory() {
        char name[] = "/tmp/bullpen-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path); }
    std::string path;
};

std::vector<Address> two_addresses(std::uint16_t port) {
    return {resolve("127.0.0.1:0").front().with_port(port), resolve("127.0.0.2:0").front().with_port(port)};
}

}  // namespace

TEST_SUITE("core: listeners") {
    TEST_CASE("port 0 becomes a real port") {
        CHECK(listen_on("127.0.0.1:0").address().port() != 0);
        CHECK(listen_on("[::1]:0").address().port() != 0);
    }

    TEST_CASE("a port that is listened on is taken, and its owner is not disturbed") {
        Listener first = listen_on("127.0.0.1:0");
        first.set_nonblocking(true);
        CHECK(error_of(first.address().text()) == EADDRINUSE);
        CHECK(!accepts_one(first));
    }

    TEST_CASE("a client's socket inherits its options from the listener") {
        const Listener listener = listen_on("127.0.0.1:0");
        const UniqueFd client = connect_to(listener.address());
        const UniqueFd accepted{::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
        int no_delay = 0;
        socklen_t size = sizeof no_delay;
        ::getsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
        CHECK(no_delay == 1);
        timeval slice{};
        size = sizeof slice;
        ::getsockopt(accepted.get(), SOL_SOCKET, SO_RCVTIMEO, &slice, &size);
        CHECK(slice.tv_usec > 200'000);
    }

    TEST_CASE("IPv6 listeners leave IPv4 alone") {
        const Listener six = listen_on("[::]:0");
        const Listener four = listen_on("0.0.0.0:" + std::to_string(six.address().port()));
        CHECK(four.address().port() == six.address().port());
    }

    TEST_CASE("the kernel tells how many clients wait in the backlog") {
        TemporaryDirectory directory;
        for (const std::string& text : {std::string{"127.0.0.1:0"}, "unix:" + directory.path + "/s"}) {
            CAPTURE(text);
            const Listener listener = listen_on(text, {.backlog = 16});
            const UniqueFd one = connect_to(listener.address());
            const UniqueFd two = connect_to(listener.address());
            REQUIRE(listener.queue());
            CHECK(listener.queue()->length == 2);
            CHECK(listener.queue()->limit == 16);
        }
    }

    TEST_CASE("the kernel tells about how many datagrams wait") {
        CHECK(queue_of_datagrams(0, 212'992, 0).length == 0);
        CHECK(queue_of_datagrams(832, 212'992, 0).length == 1);
        CHECK(queue_of_datagrams(1, 212'992, 60'000).length == 1);
        CHECK(queue_of_datagrams(100'000, 212'992, 168).length == 100);
        CHECK(queue_of_datagrams(100'000, 212'992, 168).limit == 212);

        const Listener listener = listen_on("udp:127.0.0.1:0");
        const UniqueFd client{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        const Address& to = listener.address();
        CHECK(listener.waiting() == 0);
        for (const std::size_t size : {0, 100, 1400}) {
            const std::string text(size, 'x');
            for (int i = 0; i < 20; ++i)
                REQUIRE(::sendto(client.get(), text.data(), size, 0, to.data(), to.size()) >= 0);
            CHECK(listener.waiting() >= 10);  // What the kernel takes for each is its own affair.
            CHECK(listener.waiting() <= 40);
            REQUIRE(listener.queue());
            CHECK(listener.queue()->limit > listener.queue()->length);
            char taken[2000];
            while (::recv(listener.fd(), taken, sizeof taken, MSG_DONTWAIT) >= 0)
                continue;
        }
    }

    TEST_CASE("of a UNIX socket's datagrams it only tells that there are some") {
        const Listener listener = listen_on("unixgram:@bullpen-waiting-" + std::to_string(::getpid()));
        const UniqueFd client{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        const Address& to = listener.address();
        CHECK(!listener.queue());
        CHECK(listener.waiting() == 0);
        for (int i = 0; i < 3; ++i)
            REQUIRE(::sendto(client.get(), "x", 1, 0, to.data(), to.size()) == 1);
        CHECK(listener.waiting() == 1);
    }

    TEST_CASE("after the order to stop no client gets in, the backlog can be accepted, a successor serves") {
        for (const char* text : {"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"}) {
            CAPTURE(text);
            Listener old = listen_on(text);
            old.set_nonblocking(true);
            const std::string address = old.address().text();
            const UniqueFd waiting = connect_to(old.address());
            REQUIRE(waiting);
            old.stop_new_clients();
            CHECK(!connect_to(old.address()));

            Listener successor = listen_on(address);
            successor.set_nonblocking(true);
            for (int i = 0; i < 20; ++i) {
                const UniqueFd client = connect_to(successor.address());
                REQUIRE(client);
                CHECK(accepts_one(successor));
            }
            CHECK(accepts_one(old));
            CHECK(!accepts_one(old));
            CHECK(error_of(address) == EADDRINUSE);  // The successor serves: the port is taken again.
        }
    }

    TEST_CASE("siblings share a port's clients, and one that is retired keeps those it has") {
        Listener first = listen_on("127.0.0.1:0");
        first.set_nonblocking(true);
        first.share_port();
        Listener second = first.open_sibling({});
        second.set_nonblocking(true);
        std::vector<UniqueFd> clients;
        for (int i = 0; i < 60; ++i) {
            clients.push_back(connect_to(first.address()));
            REQUIRE(clients.back());
        }
        CHECK(first.queue()->length + second.queue()->length == 60);
        CHECK(first.queue()->length > 0);
        REQUIRE(second.queue()->length > 0);
        const unsigned held = second.queue()->length;
        second.stop_as_sibling();
        for (unsigned i = 0; i < held; ++i)
            CHECK(accepts_one(second));
        CHECK(!accepts_one(second));
    }

    TEST_CASE(
        "of servers with siblings each gets all new clients once its predecessor stops, and shares them") {
        std::vector<Listener> old;
        std::string address = "127.0.0.1:0";
        for (int generation = 0; generation < 3; ++generation) {
            CAPTURE(generation);
            std::vector<Listener> servers;
            servers.push_back(listen_on(address));
            servers.front().share_port();
            for (int i = 0; i < 3; ++i)
                servers.push_back(servers.front().open_sibling({}));
            address = servers.front().address().text();
            std::vector<UniqueFd> clients;
            for (int i = 0; i < 80; ++i) {
                clients.push_back(connect_to(servers.front().address()));
                REQUIRE(clients.back());
            }
            for (const Listener& server : servers)
                CHECK(server.queue()->length > 0);
            CHECK(error_of(address) == EADDRINUSE);
            for (Listener& server : servers) {
                server.stop_new_clients();
                old.push_back(std::move(server));  // Still there: their backlogs are being served.
            }
        }
    }

    TEST_CASE("a UNIX socket's file has the mode it was given") {
        TemporaryDirectory directory;
        const std::string path = directory.path + "/s";
        const Listener listener = listen_on("unix:" + path, {.unix_mode = 0606});
        struct stat file {};
        REQUIRE(::stat(path.c_str(), &file) == 0);
        CHECK((file.st_mode & 0777) == 0606);
    }

    TEST_CASE("a dead server's socket file is replaced, a living one's and a plain file are not") {
        TemporaryDirectory directory;
        const std::string path = directory.path + "/s";
        {
            const UniqueFd dead{::socket(AF_UNIX, SOCK_STREAM, 0)};
            const Address address = Address::unix_name(path);
            REQUIRE(::bind(dead.get(), address.data(), address.size()) == 0);
        }
        {
            const Listener listener = listen_on("unix:" + path);
            CHECK(connect_to(listener.address()));
            CHECK(error_of("unix:" + path) == EADDRINUSE);
            CHECK(connect_to(listener.address()));
        }
        CHECK(!std::filesystem::exists(path));
        { const UniqueFd plain{::open(path.c_str(), O_CREAT | O_WRONLY, 0600)}; }
        CHECK(error_of("unix:" + path) == EEXIST);
        CHECK(std::filesystem::exists(path));
    }

    TEST_CASE("a name without a file goes with its socket, which stops new clients and serves its backlog") {
        for (const char* kind : {"unix:@", "seqpacket:@"}) {
            const std::string text = kind + ("bullpen-test-" + std::to_string(::getpid()));
            CAPTURE(text);
            Listener listener = listen_on(text);
            CHECK(listener.address().text() == text);
            CHECK_FALSE(std::filesystem::exists(text.substr(text.find('@'))));
            CHECK_FALSE(listener.has_clients());
            const UniqueFd client = connect_to(listener.address());
            REQUIRE(client);
            CHECK(error_of(text) == EADDRINUSE);
            listener.stop_new_clients();
            CHECK_FALSE(connect_to(listener.address()));
            CHECK(listener.has_clients());
            CHECK(accepts_one(listener));
            CHECK_FALSE(listener.has_clients());
            CHECK_FALSE(accepts_one(listener));
            CHECK(errno == EINVAL);
            listener.close();
            CHECK(connect_to(listen_on(text).address()));
        }
    }

    TEST_CASE("a seqpacket listener is one, and keeps the file of a stream listener as that one does") {
        TemporaryDirectory directory;
        const Listener listener = listen_on("seqpacket:" + directory.path + "/s");
        CHECK(Address::of_socket(listener.fd()).type() == SOCK_SEQPACKET);
        const UniqueFd client = connect_to(listener.address());
        REQUIRE(client);
        CHECK(Address::of_peer(client.get()).text() == listener.address().text());
        CHECK(error_of("unix:" + directory.path + "/s") == EADDRINUSE);
        CHECK(error_of("seqpacket:" + directory.path + "/s") == EADDRINUSE);
    }

    TEST_CASE("a stopping server never removes its successor's socket file") {
        TemporaryDirectory directory;
        const std::string text = "unix:" + directory.path + "/s";
        auto old = std::make_unique<Listener>(listen_on(text));
        old->stop_new_clients();
        CHECK(!std::filesystem::exists(directory.path + "/s"));
        const Listener successor = listen_on(text);
        old.reset();
        CHECK(connect_to(successor.address()));
    }

    TEST_CASE("with port 0 the kernel chooses one port for all addresses of a name") {
        const auto all = open_listeners(two_addresses(0), "both:0", {});
        REQUIRE(all.size() == 2);
        CHECK(all[0].address().host() == "127.0.0.1");
        CHECK(all[1].address().host() == "127.0.0.2");
        CHECK(all[0].address().port() != 0);
        CHECK(all[0].address().port() == all[1].address().port());
    }

    TEST_CASE(
        "of a name's addresses all are listened at or none, and the sentence names the one that failed") {
        const Listener other = listen_on("127.0.0.2:0");
        const std::uint16_t port = other.address().port();
        const long before = open_descriptors();
        try {
            (void)open_listeners(two_addresses(port), "both:http", {});
            FAIL("it listens at a taken address");
        } catch (const std::system_error& error) {
            const std::string sentence = error.what();
            CAPTURE(sentence);
            CHECK(error.code() == std::errc::address_in_use);
            CHECK(sentence == "both:http stands for 2 addresses: cannot listen on " + other.address().text() +
                                  ": Address already in use");
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("of a name's addresses those that this machine doesn't have are left out, if it has one") {
        const Address elsewhere = resolve("192.0.2.1:0").front();  // TEST-NET-1.
        const Address here = resolve("127.0.0.1:0").front();
        CHECK(open_listeners({elsewhere, here}, "both:0", {}).size() == 1);
        CHECK(open_listeners({here, elsewhere}, "both:0", {}).size() == 1);
        CHECK_THROWS_AS((void)open_listeners({elsewhere, elsewhere}, "both:0", {}), std::system_error);
    }

    TEST_CASE("listeners leak no descriptor") {
        const long before = open_descriptors();
        { const auto all = open_listeners("localhost:0", {}); }
        CHECK(error_of("127.0.0.1:1") >= 0);
        CHECK(open_descriptors() == before);
    }
}
