/// A TCP socket that listens without a bind(2) has a port: an ephemeral one, on all addresses.
/// Source: TLPI 61.5, exercise 61-4.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "expect.hpp"

namespace {

sockaddr_in name_of(int socket, int (*ask)(int, sockaddr*, socklen_t*)) {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    checked(ask(socket, reinterpret_cast<sockaddr*>(&name), &size), "getsockname");
    return name;
}

}  // namespace

int main() {
    const int listener = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    expect(name_of(listener, ::getsockname).sin_port == 0, "a new socket has no port");
    checked(::listen(listener, 5), "listen");
    sockaddr_in bound = name_of(listener, ::getsockname);
    std::cout << "     it listens on port " << ntohs(bound.sin_port) << '\n';
    expect(bound.sin_port != 0, "after listen(2) it has one");
    expect(bound.sin_addr.s_addr == htonl(INADDR_ANY), "on all addresses of the host");

    const int client = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    bound.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::connect(client, reinterpret_cast<sockaddr*>(&bound), sizeof bound), "connect");
    const int accepted = checked(::accept(listener, nullptr, nullptr), "accept");
    expect(name_of(accepted, ::getsockname).sin_port == bound.sin_port,
           "an accepted socket has the listener's port");
    expect(name_of(accepted, ::getpeername).sin_port == name_of(client, ::getsockname).sin_port,
           "getpeername(2) of one end is getsockname(2) of the other");
    return outcome();
}
