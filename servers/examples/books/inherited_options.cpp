/// What an accepted socket inherits from its listener, on Linux. A portable program sets what it needs.
/// Source: TLPI 61.9 and 61.11.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "expect.hpp"

namespace {

int option_of(int socket, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    checked(::getsockopt(socket, level, name, &value, &size), "getsockopt");
    return value;
}

void set(int socket, int level, int name, int value) {
    checked(::setsockopt(socket, level, name, &value, sizeof value), "setsockopt");
}

}  // namespace

int main() {
    const int listener = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(listener, SOL_SOCKET, SO_OOBINLINE, 1);
    set(listener, SOL_SOCKET, SO_RCVLOWAT, 7);
    set(listener, SOL_SOCKET, SO_SNDBUF, 20'000);
    set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    const timeval patience{.tv_sec = 3, .tv_usec = 0};
    checked(::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), "SO_RCVTIMEO");
    const linger lingering{.l_onoff = 1, .l_linger = 5};
    checked(::setsockopt(listener, SOL_SOCKET, SO_LINGER, &lingering, sizeof lingering), "SO_LINGER");
    checked(::listen(listener, 1), "listen");
    checked(::fcntl(listener, F_SETFD, FD_CLOEXEC), "F_SETFD");
    checked(::fcntl(listener, F_SETOWN, ::getpid()), "F_SETOWN");
    checked(::fcntl(listener, F_SETFL, O_NONBLOCK | O_ASYNC), "F_SETFL");
    checked(::fcntl(listener, F_SETSIG, 0), "F_SETSIG");

    sockaddr_in name{};
    socklen_t size = sizeof name;
    checked(::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), "getsockname");
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int client = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    ::signal(SIGIO, SIG_IGN);
    checked(::connect(client, reinterpret_cast<sockaddr*>(&name), size), "connect");
    const int accepted = checked(::accept(listener, nullptr, nullptr), "accept");

    expect((::fcntl(accepted, F_GETFL) & O_NONBLOCK) == 0, "O_NONBLOCK is not inherited");
    expect((::fcntl(accepted, F_GETFL) & O_ASYNC) == 0, "nor is O_ASYNC");
    expect((::fcntl(accepted, F_GETFD) & FD_CLOEXEC) == 0, "nor FD_CLOEXEC");
    expect(::fcntl(accepted, F_GETOWN) == 0, "nor the owner for signals (F_SETOWN)");
    expect(option_of(accepted, SOL_SOCKET, SO_KEEPALIVE) != 0, "SO_KEEPALIVE is inherited");
    expect(option_of(accepted, SOL_SOCKET, SO_OOBINLINE) != 0, "so are SO_OOBINLINE,");
    expect(option_of(accepted, SOL_SOCKET, SO_RCVLOWAT) == 7, "SO_RCVLOWAT,");
    expect(option_of(accepted, SOL_SOCKET, SO_SNDBUF) == option_of(listener, SOL_SOCKET, SO_SNDBUF),
           "SO_SNDBUF,");
    expect(option_of(accepted, IPPROTO_TCP, TCP_NODELAY) != 0, "TCP_NODELAY,");
    timeval inherited{};
    size = sizeof inherited;
    checked(::getsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &inherited, &size), "SO_RCVTIMEO");
    expect(inherited.tv_sec == 3, "SO_RCVTIMEO");
    linger inherited_linger{};
    size = sizeof inherited_linger;
    checked(::getsockopt(accepted, SOL_SOCKET, SO_LINGER, &inherited_linger, &size), "SO_LINGER");
    expect(inherited_linger.l_linger == 5, "and SO_LINGER");
    expect(option_of(accepted, SOL_SOCKET, SO_ACCEPTCONN) == 0 &&
               option_of(listener, SOL_SOCKET, SO_ACCEPTCONN) != 0,
           "SO_ACCEPTCONN tells a listener from what it accepted");
    expect(option_of(accepted, SOL_SOCKET, SO_TYPE) == SOCK_STREAM, "SO_TYPE tells what kind a socket is");
    return outcome();
}
