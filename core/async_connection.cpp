#include <bullpen/async_connection.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "core/lingering.hpp"
#include "core/outgoing.hpp"
#include "core/peer_credentials.hpp"
#include "core/send_queue.hpp"
#include "core/transfer_progress.hpp"
#include "core/transfer_step.hpp"
#include "core/urgent_data.hpp"
#include "core/write_progress.hpp"

namespace bullpen {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr milliseconds drain_look_interval{1000};
constexpr const char* too_slow = "the client takes what it asked for too slowly";
constexpr const char* kept_waiting = "the client kept the server waiting for longer than the limit";

}  // namespace

/// The socket in the event loop's care, and the deadline of the wait that is on. The timer isn't touched by
/// every wait: it stays armed for an earlier one, and when it goes off, it looks what the deadline is by now.
/// Shared with the timer's handler, which may already be queued when the connection ends.
class AsyncConnection::Waiter : public std::enable_shared_from_this<Waiter> {
public:
    Waiter(const asio::any_io_executor& executor, UniqueFd& socket)
        : socket_{executor, asio::generic::stream_protocol{AF_UNSPEC, 0}, socket.get()}, timer_{executor} {
        static_cast<void>(socket.release());
        socket_.native_non_blocking(true);
    }

    [[nodiscard]] int fd() noexcept { return socket_.is_open() ? socket_.native_handle() : -1; }

    /// 0 or -errno; -ETIME once the deadline has passed. Throws std::logic_error if it is waited for already.
    static Awaitable<ssize_t> ready(std::shared_ptr<Waiter> self, asio::socket_base::wait_type what,
                                    TimePoint deadline) {
        Wait& wait = what == asio::socket_base::wait_read ? self->input_ : self->room_;
        if (wait.is_on)
            throw std::logic_error{
                "two coroutines wait to read from one connection, or to write to it: use send() instead"};
        const Begun begun{*self, wait, deadline};
        error_code error;
        do  // An interruption may have been meant for the other one.
            co_await self->socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
        while (error == asio::error::operation_aborted && self->socket_.is_open() && !wait.is_over);
        co_return error ? self->end(error) : ssize_t{0};
    }

    [[nodiscard]] bool is_ready(short events) noexcept {
        pollfd client{.fd = fd(), .events = events, .revents = 0};
        return ::poll(&client, 1, 0) > 0;
    }

    /// Ends the wait for input as if its deadline had passed.
    void interrupt() noexcept {
        input_.is_over = true;
        cancel();
    }

    void close() noexcept {
        error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
    }

private:
    static constexpr TimePoint never = TimePoint::max();

    /// A coroutine waits for input, another one for room.
    struct Wait {
        TimePoint deadline = never;
        bool is_on = false;
        bool is_over = false;  ///< Its deadline has passed, or is taken to have passed.
    };

    class Begun {
    public:
        Begun(Waiter& of, Wait& wait, TimePoint deadline) : wait_{wait} {
            if (deadline < of.armed_for_) of.arm(deadline);
            wait_ = {.deadline = deadline, .is_on = true};
        }
        ~Begun() { wait_.is_on = false; }
        Begun(const Begun&) = delete;
        Begun& operator=(const Begun&) = delete;

    private:
        Wait& wait_;
    };

    void cancel() noexcept {
        error_code ignored;
        socket_.cancel(ignored);
    }

    ssize_t end(const error_code& error) noexcept {
        if (error != asio::error::operation_aborted) return -error.value();
        return socket_.is_open() ? -ETIME : -ECANCELED;
    }

    void arm(TimePoint when) {
        armed_for_ = when;
        timer_.expires_at(when);
        timer_.async_wait([self = shared_from_this()](const error_code& error) {
            if (!error) self->on_timer();
        });
    }

    void on_timer() {
        const TimePoint now = Clock::now();
        if (now < armed_for_) return;  // It was queued when the timer was armed anew.
        armed_for_ = never;
        TimePoint next = never;
        for (Wait* const wait : {&input_, &room_}) {
            if (!wait->is_on || wait->is_over) continue;
            wait->is_over = now >= wait->deadline;
            if (wait->is_over)
                cancel();
            else
                next = std::min(next, wait->deadline);
        }
        if (next != never) arm(next);
    }

    asio::generic::stream_protocol::socket socket_;
    asio::steady_timer timer_;
    Wait input_;
    Wait room_;
    TimePoint armed_for_ = never;
};

AsyncConnection::AsyncConnection(asio::any_io_executor executor, UniqueFd socket, ServerView server) noexcept
    : executor_{std::move(executor)}, socket_{std::move(socket)}, server_{server}, handoff_{server.handoff} {}

AsyncConnection::~AsyncConnection() {
    close();
}

int AsyncConnection::socket() const noexcept {
    return waiter_ ? waiter_->fd() : socket_.get();
}

int AsyncConnection::fd() noexcept {
    lent_ = true;
    handoff_.touch();
    return socket();
}

int AsyncConnection::nonblocking_fd() {
    waiter();  // Makes it non-blocking.
    return fd();
}

AsyncConnection::Awaitable<bool> AsyncConnection::wait_readable(Patience patience) {
    const TimePoint deadline = patience.until.value_or(Clock::now() + limits_.of(patience.limit));
    const bool looks = patience.limit == Limit::idle && !server_.tells_drain;
    for (;;) {
        const bool let_go = is_let_go(patience.limit);
        const TimePoint now = Clock::now();
        TimePoint until = exchanged_ ? deadline : std::min(deadline, stop_patience_.end().value_or(deadline));
        if (looks) until = std::min(until, now + drain_look_interval);
        is_between_requests_ = patience.limit == Limit::idle;
        const bool ready = co_await is_ready_by(true, let_go ? now : until);
        is_between_requests_ = false;
        if (ready) break;
        if (let_go && patience.limit == Limit::idle) co_return false;
        if (let_go) failure_.time_out(Limit::idle, "the server stops, and the client has sent nothing yet");
        if (now >= deadline) failure_.time_out(patience.limit, kept_waiting);
    }
    exchanged_ = true;
    handoff_.touch();
    co_return true;
}

/// Whether no more requests of this client will be answered, or it has had its time to send the first one.
bool AsyncConnection::is_let_go(Limit limit) {
    return exchanged_ ? limit == Limit::idle && draining() : stop_patience_.is_over(server_);
}

AsyncConnection::Awaitable<void> AsyncConnection::wait_writable(Patience patience) {
    const TimePoint deadline = patience.until.value_or(Clock::now() + limits_.of(patience.limit));
    if (!co_await is_ready_by(false, deadline)) failure_.time_out(patience.limit, kept_waiting);
    handoff_.touch();
}

/// Whether it is readable or writable by then; looked at once more if the event loop is late.
AsyncConnection::Awaitable<bool> AsyncConnection::is_ready_by(bool for_input, TimePoint until) {
    calls_in_a_row_ = 0;
    const auto what = for_input ? asio::socket_base::wait_read : asio::socket_base::wait_write;
    const bool waits = Clock::now() < until;
    const ssize_t error = waits ? co_await Waiter::ready(waiter(), what, until) : -ETIME;
    throw_send_failure();
    if (error < 0 && error != -ETIME) failure_.fail(static_cast<int>(-error), "wait for the client");
    co_return error == 0 || waiter()->is_ready(for_input ? POLLIN : POLLOUT);
}

AsyncConnection::Awaitable<std::size_t> AsyncConnection::read_some(std::span<std::byte> buffer) {
    if (has_had_its_turn()) co_await give_way();
    if (const auto size = try_receive(buffer)) co_return *size;
    const ssize_t received = co_await receive_until(buffer, Clock::now() + limits_.read);
    if (received == -ETIME) failure_.time_out(Limit::read, "the client sent nothing within the read limit");
    co_return judge(received);
}

AsyncConnection::Awaitable<std::size_t> AsyncConnection::read_before(std::span<std::byte> buffer,
                                                                     TimePoint deadline, Limit limit) {
    if (has_had_its_turn()) co_await give_way();
    const bool over = Clock::now() >= deadline;
    if (const auto size = try_receive(buffer)) co_return *size;
    const ssize_t received = over ? -ETIME : co_await receive_until(buffer, deadline);
    if (received == -ETIME) failure_.time_out(limit, "the client hasn't sent the whole of it in time");
    co_return judge(received);
}

AsyncConnection::Awaitable<std::optional<std::size_t>> AsyncConnection::read_next(
    std::span<std::byte> buffer, milliseconds idle_limit, milliseconds stop_patience) {
    // What another coroutine is in the middle of sending can't be gone on with.
    const bool is_boundary = !is_writing_ && (!send_queue_ || send_queue_->empty());
    if (is_boundary) handoff_.keep({.parking = {}, .state = state_}, exchanged_);
    if (stop_patience.count() > 0)  // Else there is mostly nothing yet; receive_until() looks by itself.
        if (const auto size = try_receive(buffer)) co_return *size;
    TimePoint deadline = Clock::now() + idle_limit;
    for (bool hurried = false;;) {
        const TimePoint now = Clock::now();
        if (draining() && (exchanged_ || stopping()) && !std::exchange(hurried, true))
            deadline = std::min(deadline, now + patience_at_stop(stop_patience));
        if (now >= deadline) break;
        is_between_requests_ = true;
        calls_in_a_row_ = 0;
        const TimePoint until =
            server_.tells_drain ? deadline : std::min(deadline, now + drain_look_interval);
        const ssize_t received = co_await receive_when_ready(buffer, until);
        is_between_requests_ = false;
        if (received != -ETIME) co_return judge(received);
    }
    if (const auto size = try_receive(buffer)) co_return *size;  // It came in time, and the server is late.
    if (!draining()) failure_.time_out(Limit::idle, "the client sent nothing within the idle limit");
    co_return std::nullopt;
}

AsyncConnection::Awaitable<bool> AsyncConnection::read_exactly(std::span<std::byte> buffer) {
    TransferProgress progress{limits_.body, limits_.body_rate};
    std::size_t passed = 0;
    while (!buffer.empty()) {
        if (has_had_its_turn()) co_await give_way();
        std::optional<std::size_t> size = try_receive(buffer);
        if (!size) {
            // Of a deadline that has passed the loop is given no more turns, in which a client might drip.
            const TimePoint deadline = progress.deadline_after(std::exchange(passed, 0));
            if (Clock::now() >= deadline)
                size = try_receive(buffer);
            else if (const ssize_t received = co_await receive_until(buffer, deadline); received != -ETIME)
                size = judge(received);
            if (!size) failure_.time_out(Limit::body, "the client sends too slowly");
        }
        if (*size == 0) co_return false;
        passed += *size;
        buffer = buffer.subspan(*size);
    }
    co_return true;
}

AsyncConnection::Awaitable<void> AsyncConnection::write_all(std::span<const std::byte> bytes) {
    return write(OutgoingBytes{bytes, 0});
}

AsyncConnection::Awaitable<void> AsyncConnection::write_all(std::string_view text) {
    return write_all(std::as_bytes(std::span{text}));
}

AsyncConnection::Awaitable<void> AsyncConnection::write_kept(std::string text) {
    co_await write_all(std::string_view{text});
}

AsyncConnection::Awaitable<void> AsyncConnection::write_before_more(std::string_view head) {
    return write(OutgoingBytes{std::as_bytes(std::span{head}), MSG_MORE});
}

AsyncConnection::Awaitable<void> AsyncConnection::write_last(std::string_view bytes) {
    co_await write_before_more(bytes);
    shutdown_write();
}

AsyncConnection::Awaitable<void> AsyncConnection::send_file(int file, off_t offset, std::size_t count) {
    waiter();  // Makes the socket non-blocking.
    return write(OutgoingFile{file, offset, count});
}

/// Between the first and the last byte of a write nothing else is written.
class AsyncConnection::Writing {
public:
    explicit Writing(AsyncConnection& of) : connection_{of} {
        if (std::exchange(of.is_writing_, true))
            throw std::logic_error{"two coroutines write to one connection at once: use send() instead"};
    }
    ~Writing() {
        connection_.is_writing_ = false;
        if (connection_.send_queue_) connection_.start_draining();
    }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

private:
    AsyncConnection& connection_;
};

template <typename Outgoing>
AsyncConnection::Awaitable<void> AsyncConnection::write(Outgoing rest) {
    if (send_queue_) co_await flush();
    const Writing writing{*this};
    WriteProgress progress{limits_};
    std::size_t written = 0;
    while (rest.left() > 0) {
        if (has_had_its_turn()) co_await give_way();
        handoff_.touch();
        const TransferStep step = send_step(rest, socket(), failure_);
        exchanged_ = exchanged_ || step.bytes > 0;
        written += step.bytes;
        if (step.outcome == TransferStep::Outcome::would_block)
            co_await until_writable(progress, std::exchange(written, 0));
    }
}

AsyncConnection::SendQueue& AsyncConnection::send_queue() {
    if (!send_queue_) send_queue_ = std::make_shared<SendQueue>(*this, executor_);
    return *send_queue_;
}

bool AsyncConnection::send(std::string bytes) {
    return send(std::make_shared<const std::string>(std::move(bytes)));
}

bool AsyncConnection::send(std::shared_ptr<const std::string> bytes) {
    SendQueue& queue = send_queue();
    if (socket() < 0 || send_failure_) return false;
    if (bytes->empty()) return true;
    if (bytes->size() > send_queue_max_ - std::min(send_queue_max_, queue.bytes())) return false;
    queue.push(std::move(bytes));
    start_draining();
    return !send_failure_;
}

/// What the client takes at once leaves at once.
void AsyncConnection::start_draining() noexcept {
    if (send_queue_->is_draining || is_writing_ || send_failure_ || send_queued()) return;
    try {
        asio::co_spawn(executor_, drain(send_queue_), asio::detached);
        send_queue_->is_draining = true;
    } catch (...) {
        fail_sending();
    }
}

/// False: something is left, and the client takes nothing now.
bool AsyncConnection::send_queued() noexcept {
    try {
        while (!send_queue_->empty()) {
            OutgoingBytes piece = send_queue_->first();
            handoff_.touch();
            const TransferStep step = send_step(piece, socket(), failure_);
            exchanged_ = exchanged_ || step.bytes > 0;
            send_queue_->note_sent(step.bytes);
            if (step.outcome == TransferStep::Outcome::would_block) return false;
        }
        send_queue_->emptied.cancel();
    } catch (...) {
        fail_sending();
    }
    return true;
}

/// After each wait the connection may be gone.
AsyncConnection::Awaitable<void> AsyncConnection::drain(std::shared_ptr<SendQueue> queue) {
    try {
        WriteProgress progress{queue->connection->limits_};
        for (std::size_t before = queue->bytes(); queue->connection != nullptr;) {
            if (queue->connection->send_queued()) break;
            const std::size_t written = before - std::min(before, queue->bytes());
            before = queue->bytes();
            const TimePoint until = queue->connection->room_until(progress, written);
            queue->connection->is_sending_ = true;
            const ssize_t error =
                co_await Waiter::ready(queue->connection->waiter(), asio::socket_base::wait_write, until);
            if (queue->connection == nullptr) co_return;
            queue->connection->is_sending_ = false;
            if (error == 0) progress.go_on();
        }
    } catch (...) {
        if (queue->connection != nullptr) queue->connection->fail_sending();
    }
    queue->is_draining = false;
}

/// Until when the client has time to take what is queued. Throws TimedOut once its time is over.
TimePoint AsyncConnection::room_until(WriteProgress& progress, std::size_t written) {
    const TimePoint deadline = progress.deadline_after(socket(), written);
    const bool has_time = Clock::now() < deadline;
    if (!has_time && (progress.is_stuck() || !waiter()->is_ready(POLLOUT)))
        failure_.time_out(Limit::write, too_slow);
    return deadline;
}

/// In a catch-all. A call of the handler that waits is woken, and throws the same.
void AsyncConnection::fail_sending() noexcept {
    send_failure_ = std::current_exception();
    ::shutdown(socket(), SHUT_RDWR);
    send_queue_->clear();
}

AsyncConnection::Awaitable<void> AsyncConnection::flush() {
    while (send_queue_ && !send_queue_->empty() && !send_failure_) {
        const std::shared_ptr<SendQueue> queue = send_queue_;
        calls_in_a_row_ = 0;
        error_code ignored;
        co_await queue->emptied.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (queue->connection == nullptr)
            throw std::system_error{ECANCELED, std::generic_category(), OutgoingBytes::what};
    }
    throw_send_failure();
}

void AsyncConnection::throw_send_failure() const {
    if (send_failure_) std::rethrow_exception(send_failure_);
}

AsyncConnection::Sender AsyncConnection::sender() {
    static_cast<void>(send_queue());
    return Sender{send_queue_};
}

AsyncConnection::Sender::Sender(std::weak_ptr<SendQueue> queue) noexcept : queue_{std::move(queue)} {}

bool AsyncConnection::Sender::send(std::string bytes) const {
    AsyncConnection* const open = connection();
    return open != nullptr && open->send(std::move(bytes));
}

bool AsyncConnection::Sender::send(std::shared_ptr<const std::string> bytes) const {
    AsyncConnection* const open = connection();
    return open != nullptr && open->send(std::move(bytes));
}

bool AsyncConnection::Sender::is_open() const noexcept {
    const AsyncConnection* const open = connection();
    return open != nullptr && !open->send_failure_;
}

AsyncConnection* AsyncConnection::Sender::connection() const noexcept {
    const std::shared_ptr<SendQueue> queue = queue_.lock();
    return queue ? queue->connection : nullptr;
}

AsyncConnection::Awaitable<void> AsyncConnection::sleep_for(std::chrono::nanoseconds span) {
    asio::steady_timer timer{executor_, span};
    calls_in_a_row_ = 0;
    co_await timer.async_wait(asio::use_awaitable);
}

void AsyncConnection::shutdown_write() noexcept {
    handoff_.touch();
    ::shutdown(socket(), SHUT_WR);
    output_ended_ = true;
}

/// Each piece is waited for, even if it is there: so other clients have their turns.
AsyncConnection::Awaitable<void> AsyncConnection::linger() {
    shutdown_write();
    const TimePoint begun = Clock::now();
    calls_in_a_row_ = 0;
    try {
        TimePoint heard = begun;
        for (TimePoint now = begun, until{};
             now < (until = linger_until(begun, heard, limits_, draining()));) {
            const ssize_t error = co_await Waiter::ready(waiter(), asio::socket_base::wait_read, until);
            if (error < 0 && error != -ETIME) co_return;
            const Discarded discarded = discard_input(socket());
            if (discarded == Discarded::end) co_return;
            now = Clock::now();
            if (discarded == Discarded::some) heard = now;
        }
    } catch (const boost::system::system_error&) {  // The event loop has no room for the socket.
    }
}

Address AsyncConnection::peer_address() const noexcept {
    return Address::of_peer(socket());
}

Address AsyncConnection::local_address() const noexcept {
    return Address::of_socket(socket());
}

std::optional<ucred> AsyncConnection::peer_credentials() const noexcept {
    return peer_credentials_of(socket());
}

void AsyncConnection::notice_drain() noexcept {
    if ((is_between_requests_ || !exchanged_) && waiter_ && draining()) waiter_->interrupt();
}

Closed AsyncConnection::close() noexcept {
    if (send_queue_) {
        send_queue_->connection = nullptr;
        send_queue_->clear();
    }
    const bool ends = socket() >= 0 && !detached_;
    const Closed how = ends ? end_connection(socket(), handoff_, lent_, output_ended_) : Closed::in_order;
    if (waiter_) waiter_->close();
    socket_.reset();
    return how;
}

const std::shared_ptr<AsyncConnection::Waiter>& AsyncConnection::waiter() {
    if (!waiter_) waiter_ = std::make_shared<Waiter>(executor_, socket_);
    return waiter_;
}

std::optional<std::size_t> AsyncConnection::try_receive(std::span<std::byte> buffer) {
    for (;;) {
        const TransferStep step = receive(buffer);
        switch (step.outcome) {
            case TransferStep::Outcome::moved:
            case TransferStep::Outcome::ended: return judge(static_cast<ssize_t>(step.bytes));
            case TransferStep::Outcome::would_block: return {};
            case TransferStep::Outcome::interrupted: break;
            case TransferStep::Outcome::failed: return judge(-step.error);
        }
    }
}

std::size_t AsyncConnection::judge(ssize_t received) {
    throw_send_failure();
    if (received < 0) failure_.fail(static_cast<int>(-received), "read from the client");
    exchanged_ = true;
    return static_cast<std::size_t>(received);
}

TransferStep AsyncConnection::receive(std::span<std::byte> buffer) noexcept {
    const Progress before = handoff_.progress();
    handoff_.touch();
    const TransferStep step = server_.out_of_band == OutOfBand::off
                                  ? receive_step(socket(), buffer, MSG_DONTWAIT)
                                  : receive_step(socket(), buffer, MSG_DONTWAIT, server_.out_of_band);
    const bool nothing = step.outcome == TransferStep::Outcome::would_block ||
                         step.outcome == TransferStep::Outcome::interrupted;
    if (nothing && before != handoff_.progress()) handoff_.untouch(before, exchanged_);
    return step;
}

/// The size or -errno; -ETIME if nothing was there when it was looked for after the deadline. The wait is for
/// the socket and not in a read, which would count as one for a worker that is killed meanwhile.
AsyncConnection::Awaitable<ssize_t> AsyncConnection::receive_when_ready(std::span<std::byte> buffer,
                                                                        TimePoint deadline) {
    for (;;) {
        const ssize_t error = co_await Waiter::ready(waiter(), asio::socket_base::wait_read, deadline);
        if (error < 0 && error != -ETIME) co_return error;
        const TransferStep step = receive(buffer);
        switch (step.outcome) {
            case TransferStep::Outcome::moved:
            case TransferStep::Outcome::ended: co_return static_cast<ssize_t>(step.bytes);
            case TransferStep::Outcome::would_block:
            case TransferStep::Outcome::interrupted:
                if (error == -ETIME) co_return -ETIME;
                break;
            case TransferStep::Outcome::failed: co_return -step.error;
        }
    }
}

/// The size or -errno; -ETIME once the deadline has passed.
AsyncConnection::Awaitable<ssize_t> AsyncConnection::receive_until(std::span<std::byte> buffer,
                                                                   TimePoint deadline) {
    calls_in_a_row_ = 0;
    return exchanged_ ? receive_when_ready(buffer, deadline) : receive_first_until(buffer, deadline);
}

AsyncConnection::Awaitable<ssize_t> AsyncConnection::receive_first_until(std::span<std::byte> buffer,
                                                                         TimePoint deadline) {
    for (;;) {
        if (stop_patience_.is_over(server_))
            failure_.time_out(Limit::idle, "the server stops, and the client has sent nothing yet");
        const TimePoint until = std::min(deadline, stop_patience_.end().value_or(deadline));
        const ssize_t received = co_await receive_when_ready(buffer, until);
        if (received != -ETIME || Clock::now() >= deadline) co_return received;
    }
}

milliseconds AsyncConnection::patience_at_stop(milliseconds after_an_answer) const noexcept {
    return exchanged_ || server_.stop_patience.count() == 0 ? after_an_answer : server_.stop_patience;
}

AsyncConnection::Awaitable<void> AsyncConnection::until_writable(WriteProgress& progress,
                                                                 std::size_t written) {
    calls_in_a_row_ = 0;
    ssize_t error = -ETIME;
    while (error == -ETIME) {
        const TimePoint deadline = progress.deadline_after(socket(), std::exchange(written, 0));
        if (Clock::now() < deadline) {
            is_sending_ = true;
            error = co_await Waiter::ready(waiter(), asio::socket_base::wait_write, deadline);
            is_sending_ = false;
        } else if (!progress.is_stuck() && waiter()->is_ready(POLLOUT)) {
            error = 0;
        } else {
            failure_.time_out(Limit::write, too_slow);
        }
    }
    if (error < 0) failure_.fail(static_cast<int>(-error), "write to the client");
    progress.go_on();
}

bool AsyncConnection::has_had_its_turn() noexcept {
    return ++calls_in_a_row_ > calls_in_a_row_max;
}

AsyncConnection::Awaitable<void> AsyncConnection::give_way() {
    calls_in_a_row_ = 0;
    co_await asio::post(executor_, asio::use_awaitable);
}

bool AsyncConnection::draining() const noexcept {
    return server_.is_draining();
}

bool AsyncConnection::stopping() const noexcept {
    return server_.is_stopping();
}

AsyncHandler::Coroutine AsyncHandler::operator()(AsyncConnection& client) const {
    return call_(callable_.get(), client);
}

}  // namespace bullpen
