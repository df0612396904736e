#include "core/urgent_data.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/metrics.hpp"

namespace bullpen {
namespace {

using metrics::Metric;

Metric urgent_bytes() {
    static const Metric made = metrics::define_built_in("bullpen_urgent_bytes_total",
                                                        "Urgent bytes (TCP, MSG_OOB) that clients sent.", {});
    return made;
}

void count() noexcept {
    if (metrics::own_series.store == nullptr) return;
    const Metric metric = urgent_bytes();
    CounterSeries{metric, metrics::unlabelled_series(metric)}.add();
}

/// Wherever it is in what has come. The reads skip it afterwards.
void take_urgent_byte(int socket) noexcept {
    std::byte byte;
    if (::recv(socket, &byte, 1, MSG_OOB | MSG_DONTWAIT) == 1) count();
}

}  // namespace

void define_urgent_metric() {
    urgent_bytes();
}

void set_out_of_band(int listener, OutOfBand how) noexcept {
    const int value = how == OutOfBand::in_line ? 1 : 0;
    ::setsockopt(listener, SOL_SOCKET, SO_OOBINLINE, &value, sizeof value);
}

TransferStep receive_step(int socket, std::span<std::byte> buffer, int flags, OutOfBand how) noexcept {
    const bool takes = (flags & MSG_PEEK) == 0;
    if (takes && how == OutOfBand::discard) take_urgent_byte(socket);
    const bool at_mark = takes && how == OutOfBand::in_line && is_at_urgent_mark(socket);
    const TransferStep step = receive_step(socket, buffer, flags);
    if (at_mark && step.outcome == TransferStep::Outcome::moved) count();
    return step;
}

bool is_at_urgent_mark(int socket) noexcept {
    int at_mark = 0;
    return ::ioctl(socket, SIOCATMARK, &at_mark) == 0 && at_mark != 0;
}

}  // namespace bullpen
