#include "servers/cli/priority_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <bullpen/address.hpp>
#include <bullpen/clock.hpp>
#include "core/printable.hpp"
#include "servers/services/priority_hello.hpp"

namespace bullpen {
namespace {

[[noreturn]] void give_up(const char* what) {
    throw std::system_error{errno, std::generic_category(), what};
}

UniqueFd listen_beside(const Address& here) {
    UniqueFd listener{::socket(here.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    const Address any_port = here.with_port(0);
    constexpr int backlog = 16;
    if (!listener || ::bind(listener.get(), any_port.data(), any_port.size()) != 0 ||
        ::listen(listener.get(), backlog) != 0)
        give_up("cannot listen for the priority connection");
    return listener;
}

void send_whole(int socket, const std::string& line) {
    if (::send(socket, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
        give_up("cannot send to the server");
}

/// Somebody who has connected to our port.
struct Caller {
    UniqueFd socket;
    std::string said = {};
};

class PriorityClient {
public:
    PriorityClient(int server, TimePoint deadline)
        : server_{server},
          deadline_{deadline},
          listener_{listen_beside(Address::of_socket(server))},
          hello_{make_priority_hello(Address::of_socket(listener_.get()).port())} {}

    UniqueFd accept() {
        send_whole(server_, text_of(hello_));
        while (!has_answer())
            step();
        if (answer_ != "ok\n")
            throw std::runtime_error{"call: the server says '" +
                                     printable(answer_.substr(0, answer_.find('\n'))) + "'"};
        if (!priority_) throw std::runtime_error{"call: the server says ok and hasn't connected to us"};
        return std::move(priority_);
    }

private:
    [[nodiscard]] bool has_answer() const noexcept { return answer_.ends_with('\n'); }

    void step() {
        std::vector<pollfd> polled{{.fd = server_, .events = POLLIN, .revents = 0},
                                   {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
        for (const Caller& caller : callers_)
            polled.push_back({.fd = caller.socket.get(), .events = POLLIN, .revents = 0});
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
        const int found = ::poll(polled.data(), polled.size(),
                                 static_cast<int>(std::max(left, std::chrono::milliseconds{0}).count()));
        if (found < 0 && errno != EINTR) give_up("poll");
        if (found == 0) throw std::runtime_error{"call: the server has made no priority connection in time"};
        if (polled[0].revents != 0) hear_server();
        for (std::size_t i = callers_.size(); i > 0; --i)
            if (polled[i + 1].revents != 0) hear(i - 1);
        if (polled[1].revents != 0) take_caller();
    }

    /// Byte by byte: what follows the line is data.
    void hear_server() {
        char byte = 0;
        const ssize_t size = ::recv(server_, &byte, 1, MSG_DONTWAIT);
        if (size < 0 && errno != EAGAIN && errno != EINTR) give_up("cannot receive from the server");
        constexpr std::size_t line_most = 200;
        if (size == 0 || answer_.size() > line_most)
            throw std::runtime_error{"call: the server doesn't speak priority"};
        if (size > 0) answer_ += byte;
    }

    void take_caller() {
        UniqueFd socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        constexpr std::size_t callers_most = 64;  // Who has said nothing for the longest time makes room.
        if (callers_.size() == callers_most) callers_.erase(callers_.begin());
        if (socket) callers_.push_back({std::move(socket)});
    }

    void hear(std::size_t index) {
        Caller& caller = callers_[index];
        const std::string expected = hello_.server_proof + "\n";
        std::array<char, proof_size + 1> buffer;
        const ssize_t size =
            ::recv(caller.socket.get(), buffer.data(), expected.size() - caller.said.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size > 0) caller.said.append(buffer.data(), static_cast<std::size_t>(size));
        if (size > 0 && caller.said.size() < expected.size()) return;
        if (is_proof(caller.said, expected)) {
            send_whole(caller.socket.get(), hello_.client_proof + "\n");
            priority_ = std::move(caller.socket);
        }
        callers_.erase(callers_.begin() + static_cast<std::ptrdiff_t>(index));
    }

    int server_;
    TimePoint deadline_;
    UniqueFd listener_;
    PriorityHello hello_;
    std::vector<Caller> callers_;
    UniqueFd priority_;
    std::string answer_;
};

}  // namespace

UniqueFd accept_priority_connection(int server, std::chrono::milliseconds at_most) {
    const int family = Address::of_socket(server).family();
    if (family != AF_INET && family != AF_INET6)
        throw std::invalid_argument{"call: priority needs a TCP server; expected HOST:PORT"};
    return PriorityClient{server, Clock::now() + at_most}.accept();
}

}  // namespace bullpen
