/// MSG_WAITALL waits for as many bytes as were asked for, and where it returns fewer all the same.
/// Source: TLPI 61.3.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "expect.hpp"

namespace {

struct Pair {
    int ours = -1;
    int theirs = -1;
};

Pair connected() {
    const int listener = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    checked(::bind(listener, reinterpret_cast<sockaddr*>(&name), size), "bind");
    checked(::listen(listener, 1), "listen");
    checked(::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), "getsockname");
    Pair pair{.ours = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket")};
    checked(::connect(pair.ours, reinterpret_cast<sockaddr*>(&name), size), "connect");
    pair.theirs = checked(::accept(listener, nullptr, nullptr), "accept");
    ::close(listener);
    return pair;
}

ssize_t receive_ten(int socket) {
    char buffer[10];
    return ::recv(socket, buffer, sizeof buffer, MSG_WAITALL);
}

void ignore(int) {}

}  // namespace

int main() {
    Pair pair = connected();
    std::thread{[theirs = pair.theirs] {
        for (const char* piece : {"abc", "defg", "hij"}) {
            (void)!::send(theirs, piece, __builtin_strlen(piece), 0);
            std::this_thread::sleep_for(std::chrono::milliseconds{20});
        }
    }}.detach();
    expect(receive_ten(pair.ours) == 10, "three pieces come as one");

    checked(::send(pair.theirs, "abc", 3, 0), "send");
    checked(::shutdown(pair.theirs, SHUT_WR), "shutdown");
    expect(receive_ten(pair.ours) == 3, "the peer's end: what had come");

    pair = connected();
    checked(::send(pair.theirs, "abc", 3, 0), "send");
    struct sigaction action {};
    action.sa_handler = ignore;
    checked(::sigaction(SIGALRM, &action, nullptr), "sigaction");
    ::ualarm(100'000, 0);
    expect(receive_ten(pair.ours) == 3, "a signal: what had come");

    pair = connected();
    checked(::send(pair.theirs, "abc", 3, 0), "send");
    checked(::send(pair.theirs, "!", 1, MSG_OOB), "send");
    checked(::send(pair.theirs, "defghijklm", 10, 0), "send");
    expect(receive_ten(pair.ours) == 3, "an urgent byte: what came before it");
    return outcome();
}
