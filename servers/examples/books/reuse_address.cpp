/// SO_REUSEADDR lets a server bind its port again in two cases, and not in a third.
/// Source: TLPI 61.10; UNP 7.5.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "expect.hpp"

namespace {

sockaddr_in loopback(in_port_t port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = port;
    return name;
}

/// A listener on the port (0: any), or -1 if the port is taken.
int listen_on(in_port_t port, int reuse) {
    const int listener = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    checked(::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse), "SO_REUSEADDR");
    const sockaddr_in name = loopback(port);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
        ::listen(listener, 1) == 0)
        return listener;
    const int error = errno;
    ::close(listener);
    if (error != EADDRINUSE) checked(-1, "bind");
    return -1;
}

in_port_t port_of(int listener) {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    checked(::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), "getsockname");
    return name.sin_port;
}

struct Connection {
    int client;
    int server;
};

Connection connect_to(int listener) {
    const sockaddr_in name = loopback(port_of(listener));
    const int client = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    checked(::connect(client, reinterpret_cast<const sockaddr*>(&name), sizeof name), "connect");
    return {client, checked(::accept(listener, nullptr, nullptr), "accept")};
}

}  // namespace

int main() {
    int listener = listen_on(0, 1);
    in_port_t port = port_of(listener);
    expect(listen_on(port, 0) < 0 && listen_on(port, 1) < 0, "while a server listens nobody else can");

    const Connection served = connect_to(listener);
    ::close(listener);
    expect(listen_on(port, 0) < 0,
           "a child of a server that has ended serves a client: without SO_REUSEADDR the port is taken");
    listener = listen_on(port, 1);
    expect(listener >= 0, "with it a new server can listen");
    ::close(listener);

    ::close(served.server);  // Who closes first keeps the connection in TIME_WAIT.
    ::close(served.client);
    expect(listen_on(port, 0) < 0,
           "a connection of an earlier server is in TIME_WAIT: without SO_REUSEADDR the port is taken");
    listener = listen_on(port, 1);
    expect(listener >= 0, "with it a new server can listen");
    return outcome();
}
