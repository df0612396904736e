#include "servers/bench/load/load.hpp"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/circular_buffer.hpp>
#include <cerrno>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "servers/bench/load/caller.hpp"
#include "servers/bench/load/cpu_time.hpp"
#include "servers/bench/load/precise_timers.hpp"
#include "servers/bench/load/request_mix.hpp"
#include "servers/bench/load/source_address.hpp"
#include "servers/bench/load/wake_queue.hpp"

namespace bullpen {
namespace {

constexpr long no_limit = std::numeric_limits<long>::max();
constexpr std::uint64_t never_ns = UINT64_MAX;

long limit_of(long number) noexcept {
    return number > 0 ? number : no_limit;
}

std::uint64_t in_ns(std::chrono::milliseconds time) noexcept {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds{time}.count());
}

std::vector<unsigned> weights_of(const std::vector<RequestClass>& classes) {
    std::vector<unsigned> weights;
    for (const RequestClass& one : classes)
        weights.push_back(one.weight);
    return weights;
}

class LoadClient {
public:
    explicit LoadClient(const LoadOptions& options)
        : options_{options},
          open_loop_{options.rate > 0},
          epoll_{::epoll_create1(EPOLL_CLOEXEC)},
          callers_(static_cast<std::size_t>(
              open_loop_ ? options.concurrency
                         : std::min<long>(options.concurrency, limit_of(options.connections)))),
          idle_(callers_.size()),
          thinking_{in_ns(options.think_time), callers_.size()},
          sending_{in_ns(options.slow_send.interval), callers_.size()},
          mix_{weights_of(options.classes)} {
        if (!epoll_)
            throw std::system_error{errno, std::generic_category(), "cannot create an epoll descriptor"};
        for (Caller& caller : callers_) {
            caller.answer = options_.classes.front().dialogue.make_answer();
            idle_.push_back(number_of(caller));
        }
        for (const RequestClass& one : options_.classes)
            result_class_of_.push_back(find_or_add_result(one.name));
        if (open_loop_ && options_.connections > 0 && options_.requests_per_connection > 0)
            requests_max_ = std::min(requests_max_, options_.connections * options_.requests_per_connection);
    }

    LoadResult run() {
        const PreciseTimers precise;
        const double cpu_before_s = own_cpu_s();
        const std::uint64_t began_ns = monotonic_ns();
        std::uint64_t now = began_ns;
        report_ns_ = began_ns;
        if (options_.duration.count() > 0) end_ns_ = began_ns + in_ns(options_.duration);
        if (open_loop_) schedule_.emplace(options_.rate, options_.arrivals, began_ns, options_.seed);
        while (busy_ > 0 || more_to_begin(now)) {
            if (now >= report_ns_) {
                report_ns_ = now + in_ns(options_.report_interval);
                give_up_late(now);
                options_.report(result_);
                const bool in_time = now - began_ns < in_ns(options_.time_limit);
                result_.cut_short = !in_time || !options_.keep_going(result_.connections);
                if (result_.cut_short) break;
            }
            wake_sleepers(now);
            begin_requests(now);
            attend_callers(now);
            now = monotonic_ns();
        }
        result_.wall_s = static_cast<double>(monotonic_ns() - began_ns) / 1e9;
        result_.client_cpu_s = own_cpu_s() - cpu_before_s;
        sum_up();
        return std::move(result_);
    }

private:
    [[nodiscard]] bool more_to_begin(std::uint64_t now) const noexcept {
        if (open_loop_) return schedule_->number() < requests_max_ && schedule_->due_ns() < end_ns_;
        return connections_begun_ < limit_of(options_.connections) && more_requests(now);
    }

    /// Of a closed loop.
    [[nodiscard]] bool more_requests(std::uint64_t now) const noexcept {
        return requests_begun_ < requests_max_ && now < end_ns_;
    }

    void begin_requests(std::uint64_t now) { open_loop_ ? begin_what_is_due(now) : begin_connections(now); }

    /// One for each idle caller. Those that fail at once are idle again, and their turn comes again.
    void begin_connections(std::uint64_t now) {
        for (std::size_t waiting = idle_.size(); waiting > 0 && more_to_begin(now); --waiting)
            begin_with(take_idle(), monotonic_ns());
    }

    void begin_what_is_due(std::uint64_t now) {
        if (!more_to_begin(now)) return close_resting();
        const std::uint64_t patience_ns = in_ns(options_.request_timeout);
        for (; more_to_begin(now) && schedule_->due_ns() + patience_ns <= now; schedule_->advance()) {
            note_wait(schedule_->due_ns(), now);
            count(LoadError::unsent);
        }
        for (std::size_t waiting = idle_.size(); waiting > 0; --waiting) {
            const std::uint64_t due = schedule_->due_ns();
            if (due > now || !more_to_begin(now)) return;
            schedule_->advance();
            Caller& caller = take_idle();
            const std::uint64_t possible_ns = std::max(due, caller.idle_since_ns);
            result_.lateness.record(std::max(monotonic_ns(), possible_ns) - possible_ns);
            begin_with(caller, due);
        }
    }

    /// Others may wait until the server has done with these.
    void close_resting() {
        for (Caller& caller : callers_) {
            if (caller.doing != Doing::nothing || caller.requests_left == 0) continue;
            disconnect(caller);
            caller.requests_left = 0;
            ++result_.connections;
        }
    }

    Caller& take_idle() {
        Caller& caller = callers_[idle_.front()];
        idle_.pop_front();
        ++busy_;
        return caller;
    }

    /// A new request, on a new connection unless one rests.
    void begin_with(Caller& caller, std::uint64_t begun_ns) {
        caller.begun_ns = begun_ns;
        choose_request(caller);
        if (caller.socket) return begin_request(caller);
        if (caller.requests_left > 0) {
            ++result_.reconnects;
        } else {
            ++connections_begun_;
            caller.requests_left = limit_of(options_.requests_per_connection);
        }
        connect(caller);
    }

    void choose_request(Caller& caller) {
        const std::size_t chosen = mix_.next();
        caller.dialogue = &options_.classes[chosen].dialogue;
        caller.result_class = result_class_of_[chosen];
        ++requests_begun_;
    }

    void wake_sleepers(std::uint64_t now) {
        while (const auto number = sending_.take_due(now))
            send_request(callers_[*number]);
        while (const auto number = thinking_.take_due(now))
            next_request(callers_[*number], now);
    }

    void attend_callers(std::uint64_t now) {
        std::array<epoll_event, 128> events;
        // Fewer where the schedule is to be looked at between them.
        const int events_max = open_loop_ ? 16 : static_cast<int>(events.size());
        const std::uint64_t wake_ns = next_wake_ns(now);
        const std::uint64_t sleep_ns = wake_ns > now ? wake_ns - now : 0;
        constexpr std::uint64_t second_ns = 1'000'000'000;
        const timespec sleep{.tv_sec = static_cast<time_t>(sleep_ns / second_ns),
                             .tv_nsec = static_cast<long>(sleep_ns % second_ns)};
        const int ready = ::epoll_pwait2(epoll_.get(), events.data(), events_max, &sleep, nullptr);
        if (ready < 0 && errno != EINTR)
            throw std::system_error{errno, std::generic_category(), "cannot wait for answers"};
        for (int i = 0; i < ready; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            Caller& caller = callers_[event.data.u64];
            if ((event.events & EPOLLOUT) != 0 && !caller.unsent.empty()) send_request(caller);
            const bool more_than_room = (event.events & ~std::uint32_t{EPOLLOUT}) != 0;
            if (caller.socket && more_than_room) receive(caller, (event.events & EPOLLRDHUP) != 0);
        }
    }

    [[nodiscard]] std::uint64_t next_wake_ns(std::uint64_t now) const noexcept {
        std::uint64_t wake_ns = std::min({report_ns_, sending_.next_ns(), thinking_.next_ns()});
        if (!idle_.empty() && more_to_begin(now))
            wake_ns = std::min(wake_ns, open_loop_ ? schedule_->due_ns() : now);
        return wake_ns;
    }

    void connect(Caller& caller) {
        const Address& server = options_.server;
        caller.socket.reset(
            ::socket(server.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, server.protocol()));
        ++caller.connects;
        caller.watched = 0;
        caller.reused = false;
        caller.doing = Doing::asking;
        if (!caller.socket) return fail(caller, load_error_of(errno));
        const bool closes_first = caller.dialogue->half_close && options_.source.family() == AF_UNSPEC;
        const Address& source = closes_first ? spread_source(server, connections_begun_) : options_.source;
        if (!come_from(source, caller.socket.get())) return fail(caller, load_error_of(errno));
        if (::connect(caller.socket.get(), server.data(), server.size()) != 0 && errno != EINPROGRESS)
            return fail(caller, load_error_of(errno));
        begin_request(caller);
    }

    void begin_request(Caller& caller) {
        const bool last = caller.requests_left == 1;
        caller.unsent = last ? caller.dialogue->last_request : caller.dialogue->request;
        caller.doing = Doing::asking;
        caller.answer->expect(*caller.dialogue);
        send_request(caller);
    }

    /// Right after connect() this mostly succeeds, on loopback: the handshake is over by then.
    void send_request(Caller& caller) {
        const std::size_t piece_max =
            options_.slow_send.bytes > 0 ? options_.slow_send.bytes : caller.unsent.size();
        while (!caller.unsent.empty()) {
            const std::size_t size = std::min(piece_max, caller.unsent.size());
            const ssize_t sent = ::send(caller.socket.get(), caller.unsent.data(), size, MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0 && errno == EAGAIN) return watch(caller, EPOLLOUT | EPOLLIN | EPOLLRDHUP | EPOLLET);
            if (sent < 0) return fail_or_reconnect(caller, load_error_of(errno));
            caller.unsent.remove_prefix(static_cast<std::size_t>(sent));
            if (options_.slow_send.bytes == 0 || caller.unsent.empty()) continue;
            sending_.add(number_of(caller), monotonic_ns());
            return watch(caller, EPOLLIN | EPOLLRDHUP | EPOLLET);
        }
        if (caller.dialogue->half_close && caller.requests_left == 1)
            ::shutdown(caller.socket.get(), SHUT_WR);
        watch(caller, EPOLLIN | EPOLLRDHUP | EPOLLET);
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

    /// Until nothing is left: the edge is told once. A full buffer says that there may be more.
    void receive(Caller& caller, bool ended_after_this) {
        std::size_t size = buffer_.size();
        const std::uint64_t connection = caller.connects;
        const auto still_the_same = [&] { return caller.socket && caller.connects == connection; };
        while (still_the_same() && size == buffer_.size()) {
            const ssize_t received = ::recv(caller.socket.get(), buffer_.data(), buffer_.size(), 0);
            if (received < 0 && errno == EINTR) continue;
            if (received < 0 && errno == EAGAIN) return;
            if (received < 0) return lose(caller, load_error_of(errno));
            if (received == 0) return end_of_stream(caller);
            size = static_cast<std::size_t>(received);
            take({buffer_.data(), size}, caller);
        }
        if (still_the_same() && ended_after_this) end_of_stream(caller);
    }

    void take(std::string_view bytes, Caller& caller) {
        result_.bytes += bytes.size();
        if (caller.doing == Doing::awaiting_end) return end_badly(caller);
        if (caller.doing != Doing::asking) return disconnect(caller);  // Told before a close, as 408 is.
        switch (caller.answer->take(bytes)) {
            case AnswerState::wrong: return fail(caller, LoadError::wrong_answer);
            case AnswerState::incomplete: return;
            case AnswerState::complete: break;
        }
        const bool before_its_request = !caller.unsent.empty();
        answered(caller);
        if (caller.requests_left == 0 || caller.answer->is_last() || before_its_request) {
            caller.doing = Doing::awaiting_end;
        } else {
            go_on(caller);
        }
    }

    void answered(Caller& caller) {
        caller.idle_since_ns = monotonic_ns();
        note_wait(caller.begun_ns, caller.idle_since_ns);
        const int status = caller.answer->status();
        if (status != 0) ++statuses_[static_cast<std::size_t>(status)];
        constexpr int first_bad = 400;
        if (status >= first_bad) {
            count(LoadError::bad_status);
        } else {
            ClassResult& of_class = result_.classes[caller.result_class];
            of_class.latencies.record(caller.idle_since_ns - caller.begun_ns);
            ++of_class.requests;
            ++result_.requests;
        }
        if (caller.requests_left != no_limit) --caller.requests_left;
        caller.reused = true;
        if (!caller.unsent.empty()) forget_unsent(caller);
    }

    /// Its connection is open or was closed by the server, and may have more requests to make.
    void go_on(Caller& caller) {
        if (open_loop_) {
            caller.doing = Doing::nothing;
            --busy_;
            idle_.push_back(number_of(caller));
        } else if (options_.think_time.count() > 0) {
            caller.doing = Doing::thinking;
            thinking_.add(number_of(caller), caller.idle_since_ns);
        } else {
            next_request(caller, caller.idle_since_ns);
        }
    }

    /// Of a closed loop: the connection's next one, if there is still one to be made.
    void next_request(Caller& caller, std::uint64_t now) {
        if (!more_requests(now)) return hang_up(caller);
        choose_request(caller);
        caller.begun_ns = now;
        if (caller.socket) return begin_request(caller);
        ++result_.reconnects;
        connect(caller);
    }

    void end_of_stream(Caller& caller) {
        if (caller.doing == Doing::nothing || caller.doing == Doing::thinking) return disconnect(caller);
        if (caller.doing == Doing::asking) {
            switch (caller.answer->end()) {
                case AnswerState::wrong: return fail(caller, LoadError::wrong_answer);
                case AnswerState::incomplete: return fail_or_reconnect(caller, LoadError::ended_early);
                case AnswerState::complete: answered(caller);
            }
        }
        leave(caller);
    }

    /// All that the connection was for is said, or the server wants it to end.
    void leave(Caller& caller) {
        if (caller.requests_left == 0) return hang_up(caller);
        disconnect(caller);
        go_on(caller);
    }

    void end_badly(Caller& caller) {
        ++result_.bad_ends;
        leave(caller);
    }

    void lose(Caller& caller, LoadError error) {
        if (caller.doing == Doing::awaiting_end) return end_badly(caller);
        if (caller.doing == Doing::nothing || caller.doing == Doing::thinking) return disconnect(caller);
        fail_or_reconnect(caller, error);
    }

    /// A server may close a kept-alive connection just as the next request comes; the client then asks again
    /// (RFC 9112 9.3.1). The time that took is the request's.
    void fail_or_reconnect(Caller& caller, LoadError error) {
        if (!caller.reused || caller.answer->begun()) return fail(caller, error);
        forget_unsent(caller);
        ++result_.reconnects;
        connect(caller);
    }

    void fail(Caller& caller, LoadError error) {
        if (caller.doing == Doing::asking) note_wait(caller.begun_ns, monotonic_ns());
        count(error);
        hang_up(caller);
    }

    void count(LoadError error) noexcept { ++result_.errors[static_cast<std::size_t>(error)]; }

    void note_wait(std::uint64_t begun_ns, std::uint64_t now) noexcept {
        if (now > begun_ns) result_.longest_wait_ns = std::max(result_.longest_wait_ns, now - begun_ns);
    }

    void forget_unsent(Caller& caller) {
        caller.unsent = {};
        if (options_.slow_send.bytes > 0) sending_.remove(number_of(caller));
    }

    void disconnect(Caller& caller) { caller.socket.reset(); }

    void hang_up(Caller& caller) {
        forget_unsent(caller);
        disconnect(caller);
        caller.requests_left = 0;
        caller.doing = Doing::nothing;
        caller.idle_since_ns = monotonic_ns();
        --busy_;
        ++result_.connections;
        idle_.push_back(number_of(caller));
    }

    void give_up_late(std::uint64_t now) {
        for (Caller& caller : callers_) {
            const auto waits_longer_than = [&](std::uint64_t since_ns, std::chrono::milliseconds limit) {
                return now > since_ns && now - since_ns > in_ns(limit);
            };
            if (caller.doing == Doing::asking && waits_longer_than(caller.begun_ns, options_.request_timeout))
                fail(caller, LoadError::timed_out);
            else if (caller.doing == Doing::awaiting_end &&
                     waits_longer_than(caller.idle_since_ns, options_.end_timeout))
                end_badly(caller);
        }
    }

    void sum_up() {
        close_resting();
        for (const Caller& caller : callers_)
            if (caller.doing == Doing::asking) note_wait(caller.begun_ns, monotonic_ns());
        for (const ClassResult& one : result_.classes)
            result_.latencies.add(one.latencies);
        for (std::size_t status = 0; status < statuses_.size(); ++status)
            if (statuses_[status] > 0) result_.statuses[static_cast<int>(status)] = statuses_[status];
    }

    std::size_t find_or_add_result(const std::string& name) {
        std::vector<ClassResult>& all = result_.classes;
        const auto found =
            std::find_if(all.begin(), all.end(), [&](const ClassResult& one) { return one.name == name; });
        const auto number = static_cast<std::size_t>(found - all.begin());
        if (found == all.end()) all.push_back({.name = name});
        return number;
    }

    [[nodiscard]] std::size_t number_of(const Caller& caller) const noexcept {
        return static_cast<std::size_t>(&caller - callers_.data());
    }

    static double own_cpu_s() {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return cpu_seconds(usage);
    }

    const LoadOptions& options_;
    const bool open_loop_;
    UniqueFd epoll_;
    std::vector<Caller> callers_;
    std::array<char, 64 * 1024> buffer_;
    LoadResult result_;
    std::array<long, 1000> statuses_{};
    std::vector<std::size_t> result_class_of_;  ///< By the number of a RequestClass.
    boost::circular_buffer<std::size_t> idle_;  ///< Callers, by number.
    WakeQueue thinking_;
    WakeQueue sending_;  ///< Who has a piece of a request to send.
    RequestMix mix_;
    std::optional<Schedule> schedule_;  ///< Of an open loop: the next request that was not begun.
    long requests_max_ = limit_of(options_.requests);
    long connections_begun_ = 0;
    long requests_begun_ = 0;
    long busy_ = 0;  ///< Callers that are not idle.
    std::uint64_t report_ns_ = 0;
    std::uint64_t end_ns_ = never_ns;
};

}  // namespace

long LoadResult::failed() const noexcept {
    return std::accumulate(errors.begin(), errors.end(), 0L);
}

LoadResult run_load(const LoadOptions& options) {
    const auto client = std::make_unique<LoadClient>(options);  // Its buffer is large for a stack.
    return client->run();
}

}  // namespace bullpen
