/// A datagram that came to one of a pool's sockets, and how it is answered.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <bullpen/address.hpp>
#include <bullpen/export.hpp>

namespace bullpen {

class DatagramBatch;

/// What a DatagramHandler gets: borrowed for the call, from the worker that received it. Nothing here throws.
class BULLPEN_API Datagram {
public:
    Datagram(const Datagram&) = delete;
    Datagram& operator=(const Datagram&) = delete;

    /// What was sent, perhaps nothing. Valid until the handler returns.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept;
    [[nodiscard]] std::string_view text() const noexcept;

    /// It was longer than 65,535 bytes, which only a UNIX socket's can be; the rest is gone (MSG_TRUNC).
    [[nodiscard]] bool is_truncated() const noexcept;

    /// Who sent it, by his own account: the source of a UDP datagram may be forged. "unixgram:" is a sender
    /// whose UNIX socket has no name.
    [[nodiscard]] Address sender() const noexcept;

    /// To which of our addresses it was sent (IP_PKTINFO, IPV6_RECVPKTINFO), with the port: one of this
    /// machine's, where the pool listens on all. A broadcast or multicast address if it was sent to one.
    [[nodiscard]] Address came_to() const noexcept;

    /// False if the sender's UNIX socket has no name.
    [[nodiscard]] bool can_be_answered() const noexcept;

    /// Sends `bytes` (copied, at most 65,535) to the sender, from the address that his was sent to; any
    /// number of times. Answers leave together, once the handlers of all datagrams that the worker has
    /// received at once have returned, within a millisecond or when this handler returns. Returns false if it
    /// can't be answered or there are too many bytes. What the kernel refuses to send (the sender's queue is
    /// full, his UNIX socket is gone, it is too long for the network) is lost, as any datagram may be, and
    /// counted in bullpen_datagrams_unsent_total.
    bool answer(std::span<const std::byte> bytes) noexcept;
    bool answer(std::string_view text) noexcept;

    /// Says that it isn't answered on purpose. A datagram without an answer is counted as refused then, and
    /// as discarded else (bullpen_datagrams_total).
    void refuse() noexcept;

private:
    friend DatagramBatch;
    Datagram(DatagramBatch& batch, std::size_t index) noexcept : batch_{batch}, index_{index} {}

    DatagramBatch& batch_;
    std::size_t index_;
};

}  // namespace bullpen
