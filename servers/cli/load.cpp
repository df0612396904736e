#include "servers/cli/load.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"
#include "servers/cli/cpu_time.hpp"

namespace bullpen {
namespace {

LoadError error_of(int number) noexcept {
    switch (number) {
        case ECONNREFUSED:
        case ENOENT: return LoadError::refused;
        case ECONNRESET:
        case EPIPE: return LoadError::reset;
        case EADDRNOTAVAIL: return LoadError::no_local_port;
        case EMFILE:
        case ENFILE: return LoadError::no_descriptors;
        case ETIMEDOUT: return LoadError::timed_out;
        default: return LoadError::other;
    }
}

std::uint64_t in_ns(std::chrono::milliseconds time) noexcept {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds{time}.count());
}

/// One of the `concurrency` places from which connections are made, one after the other.
struct Caller {
    UniqueFd socket;
    std::unique_ptr<Answer> answer;
    std::string_view unsent;
    std::uint32_t watched = 0;   ///< What epoll looks for; 0: it does not know the socket yet.
    std::uint64_t begun_ns = 0;  ///< The present request.
    int requests_left = 0;       ///< The present one included.
    bool reused = false;         ///< A request was answered on this connection before.
    bool awaiting_end = false;   ///< All is said: the server is to close.
};

class LoadClient {
public:
    explicit LoadClient(const LoadOptions& options)
        : options_{options},
          epoll_{::epoll_create1(EPOLL_CLOEXEC)},
          callers_(static_cast<std::size_t>(options.concurrency)) {
        if (!epoll_)
            throw std::system_error{errno, std::generic_category(), "cannot create an epoll descriptor"};
        for (Caller& caller : callers_) {
            caller.answer = options_.classes[0].dialogue.make_answer();
            idle_.push_back(number_of(caller));
        }
        result_.classes.push_back({options_.classes[0].name, {}});
        if (options_.duration.count() > 0) {
            options_.connections = 1L << 60;
            options_.time_limit = options_.duration;
        }
    }

    LoadResult run() {
        const double cpu_before_s = own_cpu_s();
        const std::uint64_t began_ns = monotonic_ns();
        std::uint64_t report_ns = began_ns;
        while (open_ > 0 || begun_ < options_.connections) {
            const std::uint64_t now = monotonic_ns();
            if (now >= report_ns) {
                report_ns = now + in_ns(options_.report_interval);
                give_up_late(now);
                const bool in_time = now - began_ns < in_ns(options_.time_limit);
                result_.cut_short = !in_time || !options_.keep_going(result_.connections);
                if (result_.cut_short) break;
            }
            begin_connections();
            attend_callers();
        }
        result_.wall_s = static_cast<double>(monotonic_ns() - began_ns) / 1e9;
        result_.client_cpu_s = own_cpu_s() - cpu_before_s;
        return std::move(result_);
    }

private:
    /// One for each idle caller. Those that fail at once are idle again, and their turn comes again.
    void begin_connections() {
        for (std::size_t waiting = idle_.size(); waiting > 0 && begun_ < options_.connections; --waiting) {
            Caller& caller = callers_[idle_.front()];
            idle_.pop_front();
            ++begun_;
            ++open_;
            caller.requests_left = options_.requests_per_connection;
            caller.begun_ns = monotonic_ns();
            connect(caller);
        }
    }

    void attend_callers() {
        const bool more_to_begin = !idle_.empty() && begun_ < options_.connections;
        const auto patience_ms = static_cast<int>(options_.report_interval.count());
        std::array<epoll_event, 128> events;
        const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                       more_to_begin ? 0 : patience_ms);
        for (int i = 0; i < ready; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            Caller& caller = callers_[event.data.u64];
            if ((event.events & EPOLLOUT) != 0 && !caller.unsent.empty()) send_request(caller);
            const bool more_than_room = (event.events & ~std::uint32_t{EPOLLOUT}) != 0;
            if (caller.socket && more_than_room) receive(caller, (event.events & EPOLLRDHUP) != 0);
        }
    }

    void connect(Caller& caller) {
        const Address& server = options_.server;
        caller.socket.reset(::socket(server.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        caller.watched = 0;
        caller.reused = false;
        if (!caller.socket) return fail(caller, error_of(errno));
        if (options_.classes[0].dialogue.half_close) choose_source(caller);
        if (::connect(caller.socket.get(), server.data(), server.size()) != 0 && errno != EINPROGRESS)
            return fail(caller, error_of(errno));
        begin_request(caller);
    }

    /// Who closes first keeps the port in TIME_WAIT, and with half of the ports in it connect() searches for
    /// milliseconds. On loopback there are other addresses to come from, each with ports of its own.
    void choose_source(const Caller& caller) const noexcept {
        constexpr long connections_each = 8'192;
        constexpr long sources = 250;
        constexpr std::uint32_t first_source = 0x7f00'0002;  // 127.0.0.2
        constexpr std::uint32_t net_mask = 0xff00'0000;
        if (options_.server.family() != AF_INET) return;
        sockaddr_in address{};
        std::memcpy(&address, options_.server.data(), sizeof address);
        if ((ntohl(address.sin_addr.s_addr) & net_mask) != (first_source & net_mask)) return;
        const auto source = static_cast<std::uint32_t>(begun_ / connections_each % sources);
        address.sin_addr.s_addr = htonl(first_source + source);
        address.sin_port = 0;
        constexpr int on = 1;
        ::setsockopt(caller.socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        ::bind(caller.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }

    void begin_request(Caller& caller) {
        const bool last = caller.requests_left == 1;
        caller.unsent = last ? options_.classes[0].dialogue.last_request : options_.classes[0].dialogue.request;
        caller.awaiting_end = false;
        caller.answer->expect();
        send_request(caller);
    }

    /// Right after connect() this mostly succeeds, on loopback: the handshake is over by then.
    void send_request(Caller& caller) {
        while (!caller.unsent.empty()) {
            const ssize_t sent =
                ::send(caller.socket.get(), caller.unsent.data(), caller.unsent.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0 && errno == EAGAIN) return watch(caller, EPOLLOUT | EPOLLIN | EPOLLRDHUP);
            if (sent < 0) return fail_or_reconnect(caller, error_of(errno));
            caller.unsent.remove_prefix(static_cast<std::size_t>(sent));
        }
        if (options_.classes[0].dialogue.half_close && caller.requests_left == 1)
            ::shutdown(caller.socket.get(), SHUT_WR);
        watch(caller, EPOLLIN | EPOLLRDHUP);
    }

    void watch(Caller& caller, std::uint32_t events) {
        if (caller.watched == events) return;
        epoll_event wanted{};
        wanted.events = events;
        wanted.data.u64 = number_of(caller);
        const int operation = caller.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if (::epoll_ctl(epoll_.get(), operation, caller.socket.get(), &wanted) != 0)
            return fail(caller, LoadError::other);
        caller.watched = events;
    }

    void receive(Caller& caller, bool ended_after_this) {
        const ssize_t received = ::recv(caller.socket.get(), buffer_.data(), buffer_.size(), 0);
        if (received < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            return fail_or_reconnect(caller, error_of(errno));
        }
        if (received == 0) return end_of_stream(caller);
        const auto size = static_cast<std::size_t>(received);
        if (caller.awaiting_end) return fail(caller, LoadError::wrong_answer);
        switch (caller.answer->take({buffer_.data(), size})) {
            case AnswerState::wrong: return fail(caller, LoadError::wrong_answer);
            case AnswerState::incomplete: return;
            case AnswerState::complete: break;
        }
        answered(caller);
        if (caller.requests_left > 0 && !caller.answer->is_last()) {
            caller.begun_ns = monotonic_ns();
            return begin_request(caller);
        }
        caller.awaiting_end = true;
        if (ended_after_this && size < buffer_.size()) end_of_stream(caller);  // Nothing is left to be read.
    }

    void answered(Caller& caller) {
        result_.classes[0].latencies.record(monotonic_ns() - caller.begun_ns);
        ++result_.requests;
        --caller.requests_left;
        caller.reused = true;
    }

    void end_of_stream(Caller& caller) {
        if (!caller.awaiting_end) {
            switch (caller.answer->end()) {
                case AnswerState::wrong: return fail(caller, LoadError::wrong_answer);
                case AnswerState::incomplete: return fail_or_reconnect(caller, LoadError::ended_early);
                case AnswerState::complete: answered(caller);
            }
        }
        if (caller.requests_left > 0) {
            caller.begun_ns = monotonic_ns();
            ++result_.reconnects;
            return connect(caller);
        }
        hang_up(caller);
    }

    /// A server may close a kept-alive connection just as the next request comes; the client then asks again
    /// (RFC 9112 9.3.1). The time that took is the request's.
    void fail_or_reconnect(Caller& caller, LoadError error) {
        if (!caller.reused || caller.answer->begun()) return fail(caller, error);
        ++result_.reconnects;
        connect(caller);
    }

    void fail(Caller& caller, LoadError error) {
        ++result_.errors[static_cast<std::size_t>(error)];
        hang_up(caller);
    }

    void hang_up(Caller& caller) {
        caller.socket.reset();
        --open_;
        ++result_.connections;
        idle_.push_back(number_of(caller));
    }

    void give_up_late(std::uint64_t now) {
        for (Caller& caller : callers_)
            if (caller.socket && now - caller.begun_ns > in_ns(options_.request_timeout))
                fail(caller, LoadError::timed_out);
    }

    [[nodiscard]] std::size_t number_of(const Caller& caller) const noexcept {
        return static_cast<std::size_t>(&caller - callers_.data());
    }

    static double own_cpu_s() {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return cpu_seconds(usage);
    }

    LoadOptions options_;
    UniqueFd epoll_;
    std::vector<Caller> callers_;
    std::array<char, 64 * 1024> buffer_;
    LoadResult result_;
    std::deque<std::size_t> idle_;  ///< Callers, by number.
    long begun_ = 0;                ///< Connections.
    long open_ = 0;
};

}  // namespace

const char* name_of(LoadError error) noexcept {
    switch (error) {
        case LoadError::refused: return "refused";
        case LoadError::reset: return "reset";
        case LoadError::ended_early: return "ended early";
        case LoadError::wrong_answer: return "wrong answer";
        case LoadError::timed_out: return "timed out";
        case LoadError::no_local_port: return "no local port";
        case LoadError::no_descriptors: return "no descriptors";
        case LoadError::other: return "other";
    }
    return "?";
}

long LoadResult::failed() const noexcept {
    return std::accumulate(errors.begin(), errors.end(), 0L);
}

LoadResult run_load(const LoadOptions& options) {
    const auto client = std::make_unique<LoadClient>(options);  // Its buffer is large for a stack.
    return client->run();
}

}  // namespace bullpen
