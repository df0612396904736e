/// Whether a client takes what it is sent fast enough.
#pragma once

#include <cstdint>

#include <bullpen/time_limits.hpp>
#include "core/transfer_progress.hpp"

namespace bullpen {

/// Bytes that were written to the socket and that the client hasn't acknowledged (SIOCOUTQ); 0 if that can't
/// be said.
std::uint32_t unsent_bytes(int socket) noexcept;

/// Counts what leaves the kernel's buffer and not what gets into it: a socket only becomes writable once a
/// third of the buffer is free, for which a slow client may need longer than the limit.
class WriteProgress {
public:
    explicit WriteProgress(const TimeLimits& limits) noexcept : transfer_{limits.write, limits.write_rate} {}

    /// Asked whenever the client keeps us waiting, with the bytes that were written since it was last asked.
    [[nodiscard]] TimePoint deadline_after(int socket, std::uint64_t written) noexcept;

    /// The socket is writable: the client has taken a good part of what it was offered.
    void go_on() noexcept {
        transfer_.go_on();
        has_gone_on_ = true;
    }

    /// The socket was writable, and yet nothing could be written: the kernel is short of memory.
    [[nodiscard]] bool is_stuck() const noexcept { return is_stuck_; }

private:
    TransferProgress transfer_;
    std::uint32_t unsent_ = 0;
    bool has_gone_on_ = false;
    bool is_stuck_ = false;
};

}  // namespace bullpen
