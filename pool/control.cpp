#include "pool/control.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <span>
#include <string_view>

#include "core/channel.hpp"

namespace bullpen {
namespace {

/// The socket's mode lets nobody else in; but its file may have been moved or its mode changed.
bool may_give_orders(int socket) noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == ::geteuid());
}

}  // namespace

Control::Control(Listener listener, ControlLimits limits) : listener_{std::move(listener)}, limits_{limits} {
    listener_.set_nonblocking(true);
}

void Control::watch_by(Events& events) {
    events_ = &events;
    watch_.emplace(events.watch(listener_.fd()));
    for (Asker& client : clients_)
        if (!client.order_) client.watch_.emplace(events.watch(client.socket_.get()));
}

void Control::leave_clients(ReloadNote& note) noexcept {
    std::uint32_t count = 0;
    for (Asker& client : clients_) {
        const bool half_read = !client.order_ && !client.line_.empty();
        if (client.is_closed() || half_read || count == note.askers.size()) continue;
        ReloadNote::Asker& left = note.askers[count++];
        left.has_asked = client.order_.has_value();
        left.order = client.order_.value_or(Order{});
        left.under_way = client.under_way_;
        left.socket.note(client.socket_.get());
    }
    note.askers_count = count;
}

void Control::take_over_clients(ReloadNote& note, OpenDescriptors& open) {
    for (std::uint32_t i = 0; i < note.askers_count; ++i) {
        ReloadNote::Asker& left = note.askers[i];
        if (!open.claim(left.socket.get())) continue;
        Asker client{left.socket.release(), Clock::now() + limits_.request_timeout};
        if (left.has_asked) client.order_ = left.order;
        client.under_way_ = left.under_way;
        clients_.push_back(std::move(client));
    }
    note.askers_count = 0;
}

TimePoint Control::prepare_to_wait(TimePoint now) {
    TimePoint next = TimePoint::max();
    if (watch_ && now >= accept_again_)
        watch_->arm();
    else if (watch_)
        next = accept_again_;
    for (Asker& client : clients_) {
        if (client.order_) continue;
        client.watch_->arm();
        next = std::min(next, client.until_);
    }
    return next;
}

void Control::attend(TimePoint now) {
    if (watch_ && watch_->ready() && now >= accept_again_) accept(now);
    for (Asker& client : clients_) {
        if (client.order_ || client.is_closed()) continue;
        if (client.watch_->ready()) client.read();
        if (!client.order_ && now >= client.until_)
            client.answer({1, "the request didn't come to its end in time"});
    }
    clients_.remove_if([](const Asker& client) { return client.is_closed(); });
}

/// One client: the others have their turn after between_accepts, so that a flood costs the master little.
void Control::accept(TimePoint now) {
    watch_->clear_ready();
    accept_again_ = now + limits_.between_accepts;
    UniqueFd socket{::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!socket || !may_give_orders(socket.get())) return;
    try {
        Asker client{std::move(socket), now + limits_.request_timeout};
        client.watch_.emplace(events_->watch(client.socket_.get()));
        if (clients_.size() == limits_.clients_max) make_room();
        clients_.push_back(std::move(client));
    } catch (const std::exception&) {  // The kernel is out of memory for one more watch.
    }
}

void Control::make_room() noexcept {
    const auto unheard =
        std::find_if(clients_.begin(), clients_.end(), [](const Asker& client) { return !client.order_; });
    clients_.erase(unheard != clients_.end() ? unheard : clients_.begin());
}

void Control::Asker::read() {
    watch_->clear_ready();
    std::array<char, request_line_max + 1> piece;
    const ssize_t received = ::recv(socket_.get(), piece.data(), piece.size() - line_.size(), 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) {
        watch_.reset();
        socket_.reset();
        return;
    }
    line_.append(piece.data(), static_cast<std::size_t>(received));
    const std::size_t end = line_.find('\n');
    if (end == std::string::npos && line_.size() <= request_line_max) return;
    const bool one_line = end != std::string::npos && end + 1 == line_.size();
    ControlRequest request = read_request(one_line ? std::string_view{line_}.substr(0, end) : "");
    if (request.order)
        order_ = request.order;
    else
        answer(request.refusal);
}

/// An answer that finds no room is of no use to who reads it: then the client sees the connection's end.
void Control::Asker::answer(const ControlAnswer& answer, const ServerStatus* status, int attachment) {
    std::string line = answer_line(answer, status);
    const std::span<const int> descriptors{&attachment, attachment < 0 ? std::size_t{0} : std::size_t{1}};
    (void)send_packet(socket_.get(), std::as_bytes(std::span{line}), descriptors);
    watch_.reset();
    socket_.reset();
}

void Control::answer_all(Order order, const ControlAnswer& answer) {
    for (Asker& client : clients_)
        if (client.under_way_ && *client.order_ == order && !client.is_closed()) client.answer(answer);
}

}  // namespace bullpen
