#include "core/connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "core/listener.hpp"

namespace bullpen {

using std::chrono::milliseconds;

bool ServerView::is_draining() const noexcept {
    const auto is_set = [](const std::atomic<std::uint32_t>* word) {
        return word != nullptr && word->load(std::memory_order_relaxed) != 0;
    };
    return is_set(draining) || is_set(leaving);
}

Connection::Connection(UniqueFd socket, ServerView server) noexcept
    : socket_{std::move(socket)}, server_{server} {}

void Connection::set_socket_timeouts() noexcept {
    const ListenOptions defaults;
    const auto set = [&](int option, milliseconds span) {
        const timeval value{.tv_sec = span.count() / 1000, .tv_usec = (span.count() % 1000) * 1000};
        ::setsockopt(fd(), SOL_SOCKET, option, &value, sizeof value);
    };
    set(SO_RCVTIMEO, defaults.receive_slice);
    set(SO_SNDTIMEO, defaults.send_timeout);
}

std::size_t Connection::read_some(std::span<std::byte> buffer) {
    std::optional<TimePoint> deadline;  // The clock is only asked once the client has kept us waiting.
    for (;;) {
        const ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), 0);
        if (size >= 0) return static_cast<std::size_t>(size);
        if (errno == EINTR) continue;
        if (errno != EAGAIN) failure_.fail(errno, "read from the client");
        const auto now = Clock::now();
        if (!deadline) deadline = now + limits_.read - ListenOptions{}.receive_slice;
        if (now >= *deadline) failure_.time_out(Limit::read, "the client sent nothing within the read limit");
    }
}

std::size_t Connection::read_before(std::span<std::byte> buffer, TimePoint deadline) {
    while (Clock::now() < deadline) {
        const ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), 0);
        if (size >= 0) return static_cast<std::size_t>(size);
        if (errno != EINTR && errno != EAGAIN) failure_.fail(errno, "read from the client");
    }
    failure_.time_out(Limit::read, "the client hasn't sent the whole of it in time");
}

std::optional<std::size_t> Connection::read_next(std::span<std::byte> buffer, milliseconds idle_limit) {
    std::optional<TimePoint> deadline;
    for (;;) {
        if (draining()) return std::nullopt;
        const ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), 0);
        if (size >= 0) return static_cast<std::size_t>(size);
        if (errno == EINTR) continue;
        if (errno != EAGAIN) failure_.fail(errno, "read from the client");
        const auto now = Clock::now();
        if (!deadline) deadline = now + idle_limit - ListenOptions{}.receive_slice;
        if (now >= *deadline || pool_has_no_spare()) return std::nullopt;
    }
}

bool Connection::read_exactly(std::span<std::byte> buffer) {
    while (!buffer.empty()) {
        const std::size_t size = read_some(buffer);
        if (size == 0) return false;
        buffer = buffer.subspan(size);
    }
    return true;
}

void Connection::write_all(std::span<const std::byte> bytes) {
    send_all(bytes, 0);
}

void Connection::write_before_more(std::string_view head) {
    send_all(std::as_bytes(std::span{head}), MSG_MORE);
}

void Connection::write_last(std::string_view bytes) {
    send_all(std::as_bytes(std::span{bytes}), MSG_MORE);
    shutdown_write();
}

void Connection::send_all(std::span<const std::byte> bytes, int flags) {
    while (!bytes.empty()) {
        const ssize_t size = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | flags);
        if (size >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(size));
        } else if (errno == EAGAIN) {
            failure_.time_out(Limit::write, "the client took nothing within the write limit");
        } else if (errno != EINTR) {
            failure_.fail(errno, "write to the client");
        }
    }
}

void Connection::send_file(int file, off_t offset, std::size_t count) {
    while (count > 0) {
        const ssize_t size = ::sendfile(fd(), file, &offset, count);
        if (size > 0) {
            count -= static_cast<std::size_t>(size);
        } else if (size == 0) {
            throw std::runtime_error{"the file became shorter while it was sent"};
        } else if (errno == EAGAIN) {
            failure_.time_out(Limit::write, "the client took nothing within the write limit");
        } else if (errno != EINTR) {
            failure_.fail(errno, "send a file to the client");
        }
    }
}

void Connection::cork(bool on) noexcept {
    const int value = on ? 1 : 0;
    ::setsockopt(fd(), IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

void Connection::shutdown_write() noexcept {
    ::shutdown(fd(), SHUT_WR);
}

void Connection::linger(milliseconds patience) noexcept {
    shutdown_write();
    const auto deadline = Clock::now() + patience;
    std::array<std::byte, 16384> scrap;
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return;
        pollfd readable{.fd = fd(), .events = POLLIN, .revents = 0};
        const int ready = ::poll(&readable, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0 || ::recv(fd(), scrap.data(), scrap.size(), MSG_DONTWAIT) <= 0) return;
    }
}

Address Connection::peer_address() const noexcept {
    return Address::of_peer(fd());
}

Address Connection::local_address() const noexcept {
    return Address::of_socket(fd());
}

std::optional<ucred> Connection::peer_credentials() const noexcept {
    if (local_address().family() != AF_UNIX) return {};
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
    return credentials;
}

bool Connection::pool_has_no_spare() const noexcept {
    return server_.spare != nullptr && server_.spare->load(std::memory_order_relaxed) == 0;
}

}  // namespace bullpen
