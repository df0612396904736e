#include "servers/cli/connect_retry.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <bullpen/clock.hpp>
#include "core/resolve.hpp"

namespace bullpen {
namespace {

using std::chrono::milliseconds;

/// Waits for the end of a connect(2) that goes on; returns its errno.
int outcome_of(int socket, milliseconds patience) noexcept {
    const TimePoint deadline = Clock::now() + patience;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        pollfd writable{.fd = socket, .events = POLLOUT, .revents = 0};
        const int found =
            ::poll(&writable, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
        if (found < 0 && errno == EINTR) continue;
        if (found == 0) return ETIMEDOUT;
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
        return error;
    }
}

/// A connected socket, or an empty one with errno.
UniqueFd try_to_connect(const Address& address, milliseconds patience) {
    UniqueFd socket{::socket(address.family(), address.type() | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) return {};
    int error = ::connect(socket.get(), address.data(), address.size()) == 0 ? 0 : errno;
    if (error == EINPROGRESS) error = outcome_of(socket.get(), patience);
    if (error != 0) {
        socket.reset();
        errno = error;
        return {};
    }
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) & ~O_NONBLOCK);
    return socket;
}

}  // namespace

UniqueFd connect_with_retries(const std::string& address, const ConnectRetry& retry) {
    constexpr milliseconds longest{10'000};
    const TimePoint deadline = Clock::now() + retry.patience;
    for (milliseconds pause{100};; pause = std::min(2 * pause, longest)) {
        int error = 0;
        std::string last;
        for (const Address& one : resolve_stream(address)) {
            if (one.protocol() == IPPROTO_SCTP)
                throw std::invalid_argument{
                    "'" + address +
                    "': SCTP has no half-closed state, by which this command tells the "
                    "server that it has sent all; expected TCP or a UNIX socket"};
            if (UniqueFd socket = try_to_connect(one, retry.attempt)) return socket;
            error = errno;
            last = one.text();
        }
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0)
            throw std::system_error{error, std::generic_category(), "cannot connect to " + last};
        std::this_thread::sleep_for(std::min(pause, left));
    }
}

}  // namespace bullpen
