#include "servers/cli/exchange.hpp"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <bullpen/clock.hpp>

namespace bullpen {
namespace {

constexpr std::size_t held_most = std::size_t{256} * 1024;

[[noreturn]] void fail(const char* what) {
    throw std::system_error{errno, std::generic_category(), what};
}

class Exchange {
public:
    Exchange(const ExchangeEnds& ends, const std::function<std::string(std::string_view)>& filter)
        : ends_{ends},
          filter_{filter},
          outgoing_{ends.first},
          input_ended_{ends.input < 0},
          urgent_{ends.priority_first},
          priority_ended_{ends.priority < 0} {}

    /// False once all is over.
    bool step() {
        pollfd input{.fd = wants_input() ? ends_.input : -1, .events = POLLIN, .revents = 0};
        pollfd server{.fd = ends_.server, .events = events_of_server(), .revents = 0};
        pollfd output{.fd = incoming_.empty() ? -1 : ends_.output, .events = POLLOUT, .revents = 0};
        if (server.events == 0) server.fd = -1;  // Its end would wake us again and again.
        std::array polled{input, server, output, wanted_of_priority()};
        constexpr int between_reports_ms = 100;
        if (::poll(polled.data(), polled.size(), between_reports_ms) < 0 && errno != EINTR) fail("poll");
        if (polled[0].revents != 0) read_input();
        if ((polled[1].revents & (POLLOUT | POLLERR | POLLHUP)) != 0) send();
        if ((polled[1].revents & (POLLIN | POLLERR | POLLHUP)) != 0 && incoming_.size() < held_most)
            receive();
        if (polled[2].revents != 0) write_output();
        if (polled[3].revents != 0) pass_priority(polled[3].revents);
        end_our_side();
        return !server_ended_ || !incoming_.empty() || !priority_ended_;
    }

    [[nodiscard]] const ExchangeProgress& progress() const noexcept { return progress_; }

private:
    [[nodiscard]] bool wants_input() const noexcept {
        return !input_ended_ && !server_ended_ && outgoing_.size() < held_most;
    }
    [[nodiscard]] short events_of_server() const noexcept {
        int events = 0;
        if (!outgoing_.empty() && !our_side_ended_) events |= POLLOUT;
        if (!server_ended_ && incoming_.size() < held_most) events |= POLLIN;
        return static_cast<short>(events);
    }

    [[nodiscard]] bool is_time_for_priority() const noexcept {
        return !urgent_ended_ && (progress_.sent > 0 || our_side_ended_);
    }
    [[nodiscard]] pollfd wanted_of_priority() const noexcept {
        const int events = POLLIN | (is_time_for_priority() ? POLLOUT : 0);
        return {
            .fd = priority_ended_ ? -1 : ends_.priority, .events = static_cast<short>(events), .revents = 0};
    }

    void pass_priority(short found) {
        if ((found & POLLOUT) != 0 && is_time_for_priority()) send_priority();
        if ((found & (POLLIN | POLLERR | POLLHUP)) == 0) return;
        std::array<char, 64 * 1024> buffer;
        const ssize_t size = ::recv(ends_.priority, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size <= 0) priority_ended_ = true;
        for (std::string_view rest{buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
             !rest.empty();) {
            const ssize_t written = ::write(ends_.priority_output, rest.data(), rest.size());
            if (written < 0 && errno != EINTR) fail("cannot write what came with priority");
            rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        }
    }

    void send_priority() {
        const ssize_t size =
            ::send(ends_.priority, urgent_.data(), urgent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size < 0) fail("cannot send with priority");
        urgent_.erase(0, static_cast<std::size_t>(size));
        if (!urgent_.empty()) return;
        urgent_ended_ = true;
        ::shutdown(ends_.priority, SHUT_WR);
    }

    void read_input() {
        std::array<char, 64 * 1024> buffer;
        const ssize_t size = ::read(ends_.input, buffer.data(), buffer.size());
        if (size > 0) outgoing_.append(buffer.data(), static_cast<std::size_t>(size));
        if (size == 0) input_ended_ = true;
        if (size < 0 && errno != EINTR && errno != EAGAIN) fail("cannot read the input");
    }

    void send() {
        if (outgoing_.empty() || our_side_ended_) return;
        const ssize_t size =
            ::send(ends_.server, outgoing_.data(), outgoing_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size >= 0) {
            progress_.sent += static_cast<std::uint64_t>(size);
            outgoing_.erase(0, static_cast<std::size_t>(size));
        } else if (errno == EPIPE || errno == ECONNRESET) {  // It may still have said something.
            outgoing_.clear();
            input_ended_ = our_side_ended_ = true;
        } else if (errno != EAGAIN && errno != EINTR) {
            fail("cannot send to the server");
        }
    }

    void receive() {
        std::array<char, 64 * 1024> buffer;
        const ssize_t size = ::recv(ends_.server, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size > 0) {
            progress_.received += static_cast<std::uint64_t>(size);
            incoming_ += filter_({buffer.data(), static_cast<std::size_t>(size)});
        }
        if (size == 0) server_ended_ = true;
        if (size < 0 && errno != EAGAIN && errno != EINTR) fail("cannot receive from the server");
    }

    /// No more at once than a pipe takes without waiting, once poll(2) says that it takes something.
    void write_output() {
        const ssize_t size =
            ::write(ends_.output, incoming_.data(), std::min<std::size_t>(incoming_.size(), PIPE_BUF));
        if (size >= 0) incoming_.erase(0, static_cast<std::size_t>(size));
        if (size < 0 && errno != EINTR && errno != EAGAIN) fail("cannot write stdout");
    }

    void end_our_side() noexcept {
        if (!input_ended_ || !outgoing_.empty() || std::exchange(our_side_ended_, true)) return;
        ::shutdown(ends_.server, SHUT_WR);
    }

    const ExchangeEnds& ends_;
    const std::function<std::string(std::string_view)>& filter_;
    std::string outgoing_;
    std::string incoming_;
    ExchangeProgress progress_;
    bool input_ended_;
    bool our_side_ended_ = false;
    bool server_ended_ = false;
    std::string urgent_;  ///< Not yet sent with priority.
    bool urgent_ended_ = false;
    bool priority_ended_;  ///< By the server.
};

}  // namespace

ExchangeProgress exchange(const ExchangeEnds& ends,
                          const std::function<std::string(std::string_view piece)>& filter,
                          const std::function<void(const ExchangeProgress&)>& report) {
    constexpr std::chrono::milliseconds between_reports{100};
    Exchange both{ends, filter};
    TimePoint next = Clock::now() + between_reports;
    while (both.step())
        if (report && Clock::now() >= next) {
            report(both.progress());
            next = Clock::now() + between_reports;
        }
    return both.progress();
}

}  // namespace bullpen
