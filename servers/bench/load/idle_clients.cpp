#include "servers/bench/load/idle_clients.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>

#include <bullpen/clock.hpp>
#include "servers/bench/load/source_address.hpp"

namespace bullpen {
namespace {

constexpr long lot_max = 100;  ///< Connections that are made at once: few beside any backlog.

UniqueFd begin_to_connect(const LoadOptions& options) {
    UniqueFd socket{::socket(options.server.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                             options.server.protocol())};
    if (!socket || !come_from(options.source, socket.get())) return {};
    const int connected = ::connect(socket.get(), options.server.data(), options.server.size());
    return connected == 0 || errno == EINPROGRESS ? std::move(socket) : UniqueFd{};
}

/// False when the time is over; a signal ends it, too.
bool wait_for(int socket, short events, Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd wanted{.fd = socket, .events = events, .revents = 0};
    return ::poll(&wanted, 1, std::max(0, static_cast<int>(left.count()))) > 0;
}

bool ask(int socket, std::string_view request, Clock::time_point deadline) {
    while (!request.empty() && wait_for(socket, POLLOUT, deadline)) {
        const ssize_t sent = ::send(socket, request.data(), request.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return false;
        if (sent > 0) request.remove_prefix(static_cast<std::size_t>(sent));
    }
    return request.empty();
}

bool is_answered(int socket, const Dialogue& dialogue, AnswerReader& answer, Clock::time_point deadline) {
    std::array<char, 16 * 1024> buffer;
    AnswerState state = AnswerState::incomplete;
    answer.expect(dialogue);
    while (state == AnswerState::incomplete && wait_for(socket, POLLIN, deadline)) {
        const ssize_t received = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (received == 0 || (received < 0 && errno != EAGAIN)) return false;
        if (received > 0) state = answer.take({buffer.data(), static_cast<std::size_t>(received)});
    }
    constexpr int first_bad = 400;
    return state == AnswerState::complete && answer.status() < first_bad;
}

}  // namespace

IdleClients::IdleClients(const LoadOptions& options, long count, const std::function<bool()>& keep_going) {
    const Clock::time_point deadline = Clock::now() + options.request_timeout;
    const Dialogue& dialogue = options.classes.front().dialogue;
    const auto answer = dialogue.make_answer();
    sockets_.reserve(static_cast<std::size_t>(count));
    long added = 1;
    while (added > 0 && this->count() < count && Clock::now() < deadline && keep_going()) {
        std::vector<UniqueFd> lot;
        for (long left = std::min(lot_max, count - this->count()); left > 0; --left)
            if (UniqueFd socket = begin_to_connect(options)) lot.push_back(std::move(socket));
        std::erase_if(lot,
                      [&](const UniqueFd& socket) { return !ask(socket.get(), dialogue.request, deadline); });
        std::erase_if(lot, [&](const UniqueFd& socket) {
            return !is_answered(socket.get(), dialogue, *answer, deadline);
        });
        added = static_cast<long>(lot.size());
        std::move(lot.begin(), lot.end(), std::back_inserter(sockets_));
    }
}

long IdleClients::undisturbed() const noexcept {
    return std::count_if(sockets_.begin(), sockets_.end(), [](const UniqueFd& socket) {
        char byte = 0;
        return ::recv(socket.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
    });
}

}  // namespace bullpen
