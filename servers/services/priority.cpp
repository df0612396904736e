/// priority: a normal connection and one for what is urgent, in place of out-of-band data (TLPI, exercise
/// 61-6).
///
/// The client listens on a port that the kernel chooses, connects, and says which and a cookie; the server
/// connects back to it. Each side then proves on that second connection that it knows the cookie, with one
/// half of it, so that neither who connects to the client's port nor who listens there instead gets in:
///
///     normal connection                               priority connection, from the server
///     ---------------------------------------------   ------------------------------------
///     client: PORT COOKIE                             (64 digits of 0-9a-f)
///                                                     server: the first 32 digits
///                                                     client: the other 32 digits
///     server: ok                                      (or "refused: WHY", and the end)
///     client: anything, which comes back              client: a line of at most 4096 bytes
///                                                     server: N and the line
///
/// N is the number of bytes that the server has taken of the normal connection so far. Lines are answered
/// before more of those is taken or sent, also while the client takes none of what comes back. The session
/// is over once the client has ended both sides and has all answers, or one connection breaks.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <bullpen/connection.hpp>
#include <bullpen/log.hpp>
#include "servers/services/await_whole.hpp"
#include "servers/services/own_program.hpp"
#include "servers/services/priority_hello.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

constexpr std::size_t line_most = 4096;
constexpr std::uint16_t port_least = 1024;  ///< Below, root's services listen, and not a client.
constexpr std::string_view too_long = "? a priority message has at most 4096 bytes\n";

/// Why there is no session; what() is told to the client.
class Refused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The second connection, until both sides have proved that it is theirs.
class ConnectingBack {
public:
    ConnectingBack(Connection& client, const PriorityHello& hello)
        : client_{client}, hello_{hello}, deadline_{Clock::now() + client.limits().header} {}

    /// Only ever to the client's own address. Throws Refused, std::system_error.
    UniqueFd connect() {
        const Address peer = client_.peer_address();
        if (peer.family() != AF_INET && peer.family() != AF_INET6)
            throw Refused{"a priority connection needs TCP, and this client has no address"};
        if (hello_.port < port_least) throw Refused{"port " + number() + " is below 1024"};
        socket_ = UniqueFd{::socket(peer.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        if (!socket_) throw std::system_error{errno, std::generic_category(), "socket"};
        leave_from(client_.local_address().with_port(0));
        const Address to = peer.with_port(hello_.port);
        if (::connect(socket_.get(), to.data(), to.size()) != 0 && errno != EINPROGRESS) fail(errno);
        await(POLLOUT);
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) fail(error);
        exchange_proofs();
        return std::move(socket_);
    }

private:
    [[nodiscard]] std::string number() const { return std::to_string(hello_.port); }
    [[noreturn]] void fail(int error) const {
        throw Refused{"port " + number() + ": " + std::generic_category().message(error)};
    }

    /// The client may compare where it comes from; if that can't be, the kernel chooses.
    void leave_from(const Address& here) const noexcept {
        constexpr int on = 1;
        ::setsockopt(socket_.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)::bind(socket_.get(), here.data(), here.size());
    }

    void exchange_proofs() {
        const std::string ours = hello_.server_proof + "\n";
        if (::send(socket_.get(), ours.data(), ours.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(ours.size()))
            fail(errno);
        const std::string expected = hello_.client_proof + "\n";
        std::string said;
        while (said.size() < expected.size()) {
            await(POLLIN);
            std::array<char, proof_size + 1> buffer;
            const ssize_t size = ::recv(socket_.get(), buffer.data(), expected.size() - said.size(), 0);
            if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (size < 0) fail(errno);
            if (size == 0) break;
            said.append(buffer.data(), static_cast<std::size_t>(size));
        }
        if (!is_proof(said, expected)) throw Refused{"port " + number() + " doesn't know the cookie"};
    }

    void await(short events) {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
            pollfd both[] = {{.fd = socket_.get(), .events = events, .revents = 0},
                             {.fd = client_.fd(), .events = 0, .revents = 0}};
            const int found =
                ::poll(both, std::size(both), static_cast<int>(std::max(left.count(), std::int64_t{0})));
            if (found < 0 && errno == EINTR) continue;
            if (found == 0) throw Refused{"port " + number() + " doesn't answer in time"};
            if (both[1].revents != 0) throw Refused{"the client has gone"};
            return;
        }
    }

    Connection& client_;
    const PriorityHello& hello_;
    TimePoint deadline_;
    UniqueFd socket_;
};

/// One of the two connections: at most one piece is held of each direction.
class Stream {
public:
    explicit Stream(int socket) : socket_{socket} {}

    /// What poll(2) is to look for; no descriptor if that is nothing, because its end would wake us again and
    /// again.
    [[nodiscard]] pollfd wanted() const noexcept {
        const int events = outgoing.empty() ? (ended ? 0 : POLLIN) : POLLOUT;
        return {.fd = events != 0 ? socket_ : -1, .events = static_cast<short>(events), .revents = 0};
    }

    /// The number of bytes that were taken. False: the connection is broken.
    bool receive(std::size_t& taken) {
        std::array<char, 64 * 1024> buffer;
        const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        taken = static_cast<std::size_t>(size);
        incoming.append(buffer.data(), taken);
        ended = size == 0;
        moved = Clock::now();
        return true;
    }

    bool send() {
        if (outgoing.empty()) return true;
        const ssize_t size = ::send(socket_, outgoing.data(), outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        outgoing.erase(0, static_cast<std::size_t>(size));
        moved = Clock::now();
        return true;
    }

    [[nodiscard]] bool is_over() const noexcept { return ended && outgoing.empty(); }

    std::string incoming;  ///< Taken and not yet dealt with.
    std::string outgoing;  ///< Nothing is taken before it has left.
    bool ended = false;    ///< The client's side.
    TimePoint moved = Clock::now();

private:
    int socket_;
};

class Session {
public:
    Session(Connection& client, UniqueFd priority)
        : client_{client},
          normal_{client.nonblocking_fd()},
          priority_socket_{std::move(priority)},
          priority_{priority_socket_.get()} {}

    void run() {
        while (!normal_.is_over() || !priority_.is_over()) {
            pollfd polled[] = {priority_.wanted(), normal_.wanted()};
            if (::poll(polled, std::size(polled), wait_ms()) < 0 && errno != EINTR)
                throw std::system_error{errno, std::generic_category(), "poll"};
            const bool idle = polled[0].revents == 0 && polled[1].revents == 0;
            if (idle && (is_to_end() || is_stuck())) break;
            if (polled[0].revents != 0 && !move_priority()) return;
            if (polled[1].revents != 0 && !move_normal())
                client_.write_all(" ");  // Throws ClientGone: nothing can be written to who has gone.
        }
        client_.linger();
    }

private:
    /// False: it is broken.
    bool move_priority() {
        if (std::size_t taken = 0; priority_.outgoing.empty() && !priority_.receive(taken)) return false;
        std::string& lines = priority_.incoming;
        for (std::size_t end = 0; (end = lines.find('\n')) < line_most; lines.erase(0, end + 1))
            priority_.outgoing += std::to_string(taken_) + " " + lines.substr(0, end + 1);
        if (lines.size() >= line_most) {
            priority_.outgoing += too_long;
            lines.clear();
            priority_.ended = true;
        }
        return priority_.send() && end_if_over(priority_, priority_socket_.get());
    }

    bool move_normal() {
        if (normal_.outgoing.empty()) {
            std::size_t taken = 0;
            if (!normal_.receive(taken)) return false;
            taken_ += taken;
            normal_.outgoing.swap(normal_.incoming);
        }
        return normal_.send() && end_if_over(normal_, client_.fd());
    }

    static bool end_if_over(const Stream& stream, int socket) noexcept {
        if (stream.is_over()) ::shutdown(socket, SHUT_WR);
        return true;
    }

    [[nodiscard]] bool has_answers() const noexcept {
        return !normal_.outgoing.empty() || !priority_.outgoing.empty();
    }

    /// The server stops, and nothing is begun.
    [[nodiscard]] bool is_to_end() const noexcept { return client_.draining() && !has_answers(); }

    [[nodiscard]] TimePoint deadline() const noexcept {
        if (!has_answers()) return std::max(normal_.moved, priority_.moved) + client_.limits().idle;
        TimePoint first = TimePoint::max();
        for (const Stream* stream : {&normal_, &priority_})
            if (!stream->outgoing.empty()) first = std::min(first, stream->moved + client_.limits().write);
        return first;
    }

    [[nodiscard]] int wait_ms() const noexcept {
        constexpr std::chrono::milliseconds look{500};  // Whether the server stops.
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline() - Clock::now());
        return static_cast<int>(std::clamp(left, std::chrono::milliseconds{0}, look).count());
    }

    /// Throws TimedOut for the normal connection. True: the priority connection's client takes nothing.
    [[nodiscard]] bool is_stuck() {
        const TimePoint now = Clock::now();
        if (now < deadline()) return false;
        if (!has_answers()) return !client_.wait_readable({Limit::idle, now});
        if (!normal_.outgoing.empty() && normal_.moved + client_.limits().write <= now)
            client_.wait_writable({Limit::write, now});
        return priority_.moved + client_.limits().write <= now && !priority_.outgoing.empty();
    }

    Connection& client_;
    Stream normal_;
    UniqueFd priority_socket_;
    Stream priority_;
    std::uint64_t taken_ = 0;  ///< Bytes of the normal connection.
};

Next refuse(Connection& client, const std::string& why) {
    log(LogLevel::info, "priority: " + client.peer_address().text() + " refused: " + why);
    client.write_last("refused: " + why + "\n");
    (void)client.linger_a_turn(Clock::now());
    return Next::close;
}

Next serve(Connection& client) {
    std::array<std::byte, hello_most> buffer;
    const auto is_line = [](std::string_view text) { return text.find('\n') != std::string_view::npos; };
    const std::optional<std::size_t> size = await_whole(client, buffer, is_line);
    if (!size) return Next::await_input;
    const std::string_view text{reinterpret_cast<const char*>(buffer.data()), *size};
    const std::size_t end = text.find('\n');
    const std::string line{end == std::string_view::npos ? text : text.substr(0, end + 1)};
    client.take(std::span{buffer}.first(line.size()));
    const auto hello = parse_priority_hello(line);
    if (!hello) return refuse(client, "expected: PORT COOKIE, a cookie of 64 digits of 0-9a-f");
    client.begin_request("priority connection to port " + std::to_string(hello->port));
    UniqueFd priority;
    try {
        priority = ConnectingBack{client, *hello}.connect();
    } catch (const Refused& refused) {
        return refuse(client, refused.what());
    }
    client.write_all("ok\n");
    Session{client, std::move(priority)}.run();
    return Next::close;
}

}  // namespace

Service priority_service() {
    return {.name = "priority",
            .summary = "echo, and a second connection that overtakes it (TLPI 61-6)",
            .make = [](const ServiceOptions&) -> Handler { return serve; },
            .make_program = [](const ServiceOptions&) { return own_program("priority"); },
            .client_speaks_first = true};
}

}  // namespace bullpen
