#include "servers/bench/load/datagram_load.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "servers/bench/load/cpu_time.hpp"

namespace bullpen {
namespace {

[[noreturn]] void fail_datagram_load(const std::string& what) {
    throw std::system_error{errno, std::generic_category(), what};
}

struct QuestionHeader {
    std::uint64_t number;
    std::uint64_t sent_ns;
};
static_assert(sizeof(QuestionHeader) == question_header);

/// A socket with a question that is on its way.
struct Asker {
    UniqueFd socket;
    std::vector<std::uint64_t> sent =
        {};  ///< The numbers of its question's transmissions; none: it has none.
    std::uint64_t asked_ns = 0;
    std::uint64_t due_ns = 0;  ///< When the answer is overdue.
    int attempt = 0;
};

/// A bit for each transmission.
class TransmissionSet {
public:
    [[nodiscard]] bool contains(std::uint64_t number) const noexcept {
        return number < bits_.size() && bits_[number];
    }

    /// Returns whether it wasn't in yet.
    bool insert(std::uint64_t number) {
        if (contains(number)) return false;
        if (bits_.size() <= number) bits_.resize(number + 1);
        return bits_[number] = true;
    }

private:
    std::vector<bool> bits_;
};

UniqueFd socket_to(const Address& server) {
    UniqueFd fd{::socket(server.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) fail_datagram_load("cannot create a socket");
    sockaddr nameless{};
    nameless.sa_family = AF_UNIX;  // The kernel chooses a name, without which nobody could answer.
    if (server.family() == AF_UNIX && ::bind(fd.get(), &nameless, sizeof nameless.sa_family) != 0)
        fail_datagram_load("cannot name a socket");
    if (::connect(fd.get(), server.data(), server.size()) != 0)
        fail_datagram_load("cannot connect to " + server.text());
    return fd;
}

double own_cpu_s() noexcept {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return cpu_seconds(usage);
}

class DatagramLoad {
public:
    explicit DatagramLoad(const DatagramLoadOptions& options)
        : options_{options},
          epoll_{::epoll_create1(EPOLL_CLOEXEC)},
          askers_(static_cast<std::size_t>(options.concurrency)),
          question_(std::max(options.size, question_header)),
          began_ns_{monotonic_ns()},
          next_report_ns_{began_ns_ + ns_of(options.report_interval)} {
        result_.round_trip = RoundTripTime{options.waits};
        if (!epoll_) fail_datagram_load("cannot create an epoll");
        for (std::size_t i = 0; i < askers_.size(); ++i)
            add(i);
    }

    DatagramLoadResult run() {
        const double cpu_before_s = own_cpu_s();
        for (std::size_t i = 0; i < askers_.size(); ++i)
            ask_next(i);
        while (!due_.empty() && may_go_on()) {
            wait_until(due_.begin()->first);
            ask_again(monotonic_ns());
        }
        result_.wall_s = static_cast<double>(monotonic_ns() - began_ns_) / 1e9;
        result_.client_cpu_s = own_cpu_s() - cpu_before_s;
        if (!result_.cut_short) await_late_answers();
        return std::move(result_);
    }

private:
    static std::uint64_t ns_of(std::chrono::nanoseconds span) noexcept {
        return static_cast<std::uint64_t>(span.count());
    }

    void add(std::size_t index) {
        askers_[index].socket = socket_to(options_.server);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = index;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, askers_[index].socket.get(), &event) != 0)
            fail_datagram_load("cannot watch a socket");
    }

    [[nodiscard]] bool is_over(std::uint64_t now_ns) const noexcept {
        const bool enough =
            options_.questions > 0 && asked_ >= static_cast<std::uint64_t>(options_.questions);
        return enough || (options_.duration.count() > 0 && now_ns - began_ns_ >= ns_of(options_.duration));
    }

    void ask_next(std::size_t index) {
        Asker& asker = askers_[index];
        asker.sent.clear();
        asker.asked_ns = monotonic_ns();
        if (is_over(asker.asked_ns)) return;
        ++asked_;
        asker.attempt = 0;
        send(index, asker.asked_ns);
    }

    void send(std::size_t index, std::uint64_t now_ns) {
        Asker& asker = askers_[index];
        const auto number = static_cast<std::uint64_t>(++result_.sent);
        const QuestionHeader header{.number = number, .sent_ns = now_ns};
        std::memcpy(question_.data(), &header, sizeof header);
        asker.sent.push_back(number);
        if (asker.attempt > 0) ++result_.retransmissions;
        if (!deliver(asker.socket.get())) ++result_.refused;
        last_sent_ns_ = now_ns;
        asker.due_ns = now_ns + ns_of(result_.round_trip.timeout(asker.attempt));
        due_.emplace(asker.due_ns, index);
    }

    /// A UNIX socket's queue may be full, and has room as soon as the server has read.
    [[nodiscard]] bool deliver(int socket) const noexcept {
        constexpr int patience_ms = 100;
        for (bool waited = false;; waited = true) {
            if (::send(socket, question_.data(), question_.size(), 0) >= 0) return true;
            if (errno != EAGAIN || waited) return false;
            pollfd room{.fd = socket, .events = POLLOUT, .revents = 0};
            ::poll(&room, 1, patience_ms);
        }
    }

    /// Takes what comes until then, or until the next report is due.
    void wait_until(std::uint64_t until_ns) {
        std::array<epoll_event, 64> events{};
        const std::uint64_t now_ns = monotonic_ns();
        until_ns = std::min(until_ns, next_report_ns_);
        const std::uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
        const timespec timeout{.tv_sec = static_cast<time_t>(wait_ns / 1'000'000'000),
                               .tv_nsec = static_cast<long>(wait_ns % 1'000'000'000)};
        const int count =
            ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()), &timeout, nullptr);
        for (int i = 0; i < count; ++i)
            receive(events[static_cast<std::size_t>(i)].data.u64);
    }

    /// Those to transmissions of questions that are over: they aren't lost because they are late.
    void await_late_answers() {
        const std::uint64_t until_ns = last_sent_ns_ + ns_of(result_.round_trip.timeout(0));
        while (result_.unanswered() > 0 && monotonic_ns() < until_ns && may_go_on())
            wait_until(until_ns);
    }

    void receive(std::size_t index) {
        std::array<std::byte, question_header> start;
        Asker& asker = askers_[index];
        for (;;) {
            const ssize_t size = ::recv(asker.socket.get(), start.data(), start.size(), 0);
            if (size < 0 && errno == EINTR) continue;
            if (size < 0 && errno != EAGAIN) ++result_.refused;  // Nobody listens (ICMP).
            if (size < 0) return;
            take(index, std::span{start}.first(static_cast<std::size_t>(size)), monotonic_ns());
        }
    }

    void take(std::size_t index, std::span<const std::byte> answer, std::uint64_t now_ns) {
        Asker& asker = askers_[index];
        QuestionHeader header{};
        if (answer.size() == sizeof header) std::memcpy(&header, answer.data(), sizeof header);
        if (header.number == 0 || header.number > static_cast<std::uint64_t>(result_.sent) ||
            header.sent_ns > now_ns) {
            ++result_.strays;
            return;
        }
        ++result_.answers;
        if (!answered_.insert(header.number)) {
            ++result_.duplicates;
            return;
        }
        const bool in_time =
            std::find(asker.sent.begin(), asker.sent.end(), header.number) != asker.sent.end();
        // Whoever gives up too soon must learn from the late answer for how long to wait.
        if (in_time || given_up_.contains(header.number))
            result_.round_trip.measured(std::chrono::nanoseconds{now_ns - header.sent_ns});
        if (!in_time) return;
        result_.latencies.record(now_ns - asker.asked_ns);
        ++result_.answered;
        due_.erase({asker.due_ns, index});
        ask_next(index);
    }

    void ask_again(std::uint64_t now_ns) {
        while (!due_.empty() && due_.begin()->first <= now_ns) {
            const std::size_t index = due_.begin()->second;
            due_.erase(due_.begin());
            if (++askers_[index].attempt < options_.attempts_max) {
                send(index, now_ns);
            } else {
                ++result_.given_up;
                for (const std::uint64_t number : askers_[index].sent)
                    given_up_.insert(number);
                ask_next(index);
            }
        }
    }

    bool may_go_on() {
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns < next_report_ns_) return true;
        next_report_ns_ = now_ns + ns_of(options_.report_interval);
        result_.cut_short = !options_.keep_going(result_.answered, result_.given_up);
        return !result_.cut_short;
    }

    const DatagramLoadOptions& options_;
    UniqueFd epoll_;
    std::vector<Asker> askers_;
    std::vector<std::byte> question_;
    std::uint64_t asked_ = 0;  ///< Questions.
    TransmissionSet answered_;
    TransmissionSet given_up_;  ///< Those of questions that were given up.
    std::uint64_t last_sent_ns_ = 0;
    std::set<std::pair<std::uint64_t, std::size_t>> due_;  ///< When, and whose answer is overdue.
    std::uint64_t began_ns_;
    std::uint64_t next_report_ns_;
    DatagramLoadResult result_;
};

}  // namespace

long DatagramLoadResult::unanswered() const noexcept {
    return sent - (answers - duplicates);
}

double DatagramLoadResult::loss() const noexcept {
    return sent == 0 ? 0 : static_cast<double>(unanswered()) / static_cast<double>(sent);
}

DatagramLoadResult run_datagram_load(const DatagramLoadOptions& options) {
    return DatagramLoad{options}.run();
}

}  // namespace bullpen
