#include "pool/kept_connection.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "core/transfer_progress.hpp"
#include "core/write_progress.hpp"

namespace bullpen {

KeptConnection::KeptConnection(Client client, const ServerView& server, const TimeLimits& limits,
                               std::uint64_t begun_ns) noexcept
    : served_{std::move(client.socket), server}, begun_ns_{begun_ns} {
    served_.connection().limits() = limits;
    if (!client.has_options) served_.connection().set_socket_timeouts(server.slice);
    served_.begin();
}

void KeptConnection::park(Await what, TimePoint now) noexcept {
    constexpr int doublings_max = 16;
    served_.tidy();
    const Parking& parking = served_.parking();
    what_ = what;
    limit_ = what == Await::input ? parking.limit : Limit::write;
    deadline_ = now + served_.connection().limits().of(limit_);
    if (parking.deadline_ns != 0) deadline_ = TimePoint{std::chrono::nanoseconds{parking.deadline_ns}};
    const bool is_half = what == Await::input && parking.input_at_least > 1;
    halves_ = is_half ? std::min(halves_ + 1, doublings_max) : 0;
    if (what == Await::output) unsent_ = unsent_bytes(fd());
}

/// None after the first half.
std::chrono::milliseconds KeptConnection::pause(std::chrono::milliseconds shortest,
                                                std::chrono::milliseconds longest) const noexcept {
    if (halves_ < 2) return std::chrono::milliseconds{0};
    return std::min(shortest * (1 << (halves_ - 2)), longest);
}

bool KeptConnection::is_ready() const noexcept {
    pollfd client{.fd = fd(), .events = what_ == Await::input ? short{POLLIN} : short{POLLOUT}, .revents = 0};
    return ::poll(&client, 1, 0) > 0;
}

/// What has left the kernel's buffer counts, and not only what makes the socket writable: that is a third of
/// the buffer, for which a slow client may need longer than the limit.
bool KeptConnection::is_steady(TimePoint now) noexcept {
    if (what_ != Await::output) return false;
    const std::uint32_t unsent = unsent_bytes(fd());
    const std::uint32_t before = std::exchange(unsent_, unsent);
    if (unsent >= before) return false;
    const TimeLimits& limits = served_.connection().limits();
    deadline_ = extended(deadline_, now, limits.write, limits.write_rate, before - unsent);
    return deadline_ > now;
}

}  // namespace bullpen
