/// Signal-driven I/O, switched on and off on sockets of many kinds.
/// Source: APUE 16.8 and an exercise of chapter 16; TLPI 63.3.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <string>

#include "expect.hpp"

namespace {

bool switch_on(int socket) {
    return ::fcntl(socket, F_SETOWN, ::getpid()) == 0 &&
           ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_ASYNC) == 0;
}

bool switch_off(int socket) {
    int off = 0;
    return ::ioctl(socket, FIOASYNC, &off) == 0;  // The same as fcntl(2) without O_ASYNC.
}

/// Whether SIGIO, which is blocked, came within a moment.
bool signal_came() {
    sigset_t io;
    ::sigemptyset(&io);
    ::sigaddset(&io, SIGIO);
    const timespec moment{.tv_sec = 0, .tv_nsec = 100'000'000};
    const bool came = ::sigtimedwait(&io, nullptr, &moment) == SIGIO;
    const timespec not_at_all{};
    while (::sigtimedwait(&io, nullptr, &not_at_all) == SIGIO)
        continue;
    return came;
}

struct Pair {
    int reader;
    int writer;
};

Pair unix_pair(int type) {
    int ends[2];
    checked(::socketpair(AF_UNIX, type, 0, ends), "socketpair");
    return {ends[0], ends[1]};
}

Pair inet_pair(int family, int type) {
    const int first = checked(::socket(family, type, 0), "socket");
    sockaddr_storage name{};
    socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    name.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET)
        reinterpret_cast<sockaddr_in*>(&name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        reinterpret_cast<sockaddr_in6*>(&name)->sin6_addr = in6addr_loopback;
    if (::bind(first, reinterpret_cast<sockaddr*>(&name), size) != 0) return {-1, -1};  // No IPv6 here.
    if (type == SOCK_STREAM) checked(::listen(first, 1), "listen");
    checked(::getsockname(first, reinterpret_cast<sockaddr*>(&name), &size), "getsockname");
    const int second = checked(::socket(family, type, 0), "socket");
    checked(::connect(second, reinterpret_cast<sockaddr*>(&name), size), "connect");
    return {type == SOCK_STREAM ? checked(::accept(first, nullptr, nullptr), "accept") : first, second};
}

void try_out(const std::string& kind, Pair pair) {
    if (pair.reader < 0) return;
    expect(switch_on(pair.reader), kind + ": it can be switched on");
    signal_came();
    checked(::write(pair.writer, "x", 1), "write");
    expect(signal_came(), kind + ": input brings SIGIO");
    char byte = 0;
    checked(::read(pair.reader, &byte, 1), "read");
    expect(switch_off(pair.reader), kind + ": it can be switched off");
    checked(::write(pair.writer, "x", 1), "write");
    expect(!signal_came(), kind + ": then none comes");
}

}  // namespace

int main() {
    sigset_t io;
    ::sigemptyset(&io);
    ::sigaddset(&io, SIGIO);
    ::sigprocmask(SIG_BLOCK, &io, nullptr);
    try_out("UNIX stream", unix_pair(SOCK_STREAM));
    try_out("UNIX datagram", unix_pair(SOCK_DGRAM));
    try_out("UNIX seqpacket", unix_pair(SOCK_SEQPACKET));
    try_out("TCP over IPv4", inet_pair(AF_INET, SOCK_STREAM));
    try_out("UDP over IPv4", inet_pair(AF_INET, SOCK_DGRAM));
    try_out("TCP over IPv6", inet_pair(AF_INET6, SOCK_STREAM));
    try_out("UDP over IPv6", inet_pair(AF_INET6, SOCK_DGRAM));
    return outcome();
}
