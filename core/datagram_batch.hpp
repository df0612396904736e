/// Datagrams that are received by one system call, and their answers, which leave by another.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <bullpen/datagram.hpp>
#include <bullpen/ip_address.hpp>
#include "core/listener.hpp"

namespace bullpen {

/// What became of a datagram in its handler.
enum class DatagramFate { answered, discarded, refused };

/// Has the room for one batch after the other (recvmmsg, sendmmsg). For one thread.
class DatagramBatch {
public:
    static constexpr std::size_t most = 32;
    static constexpr std::size_t bytes_max = 65'535;  ///< UDP's length field has no room for more.

    enum class Wait { never, for_one };

    DatagramBatch();
    DatagramBatch(const DatagramBatch&) = delete;
    DatagramBatch& operator=(const DatagramBatch&) = delete;

    /// Takes up to `limit` out of the listener (borrowed, told by tell_destinations()) in place of those
    /// before; the answers must have been sent. Returns how many. With for_one it waits for the first, for as
    /// long as SO_RCVTIMEO says at most, or until a signal. `peer` (borrowed until the next call): the socket
    /// is connected to it, and so its answers need no address, and an error that an earlier answer met is no
    /// error of the next one.
    [[nodiscard]] std::size_t receive(const Listener& from, std::size_t limit, Wait wait,
                                      const Address* peer = nullptr) noexcept;

    /// Of those received, by their order.
    [[nodiscard]] Datagram at(std::size_t index) noexcept { return Datagram{*this, index}; }
    [[nodiscard]] DatagramFate fate(std::size_t index) const noexcept;
    /// Where it says it comes from; nothing of a UNIX socket's.
    [[nodiscard]] std::optional<IpAddress> source(std::size_t index) const noexcept;
    /// Whether it came to one of our own addresses, as far as the kernel says: not to a group's (broadcast,
    /// multicast), which a socket can't have for itself.
    [[nodiscard]] bool came_to_us_alone(std::size_t index) const noexcept {
        return received_[index].came_to_us_alone;
    }

    /// Sends what is to be sent, without waiting.
    void send_answers() noexcept;
    [[nodiscard]] bool has_answers() const noexcept { return waiting_ > 0; }

private:
    friend Datagram;

    struct Received {
        sockaddr_storage sender;
        alignas(cmsghdr) std::array<std::byte, 64> came_to;  ///< As the kernel says it.
        bool answered = false;
        bool refused = false;
        bool came_to_us_alone = false;
    };
    struct Answer {
        std::size_t to = 0;      ///< The index of the datagram.
        std::size_t offset = 0;  ///< In outgoing_.
        std::size_t size = 0;
    };

    void prepare(std::size_t index) noexcept;
    [[nodiscard]] bool is_of_peer(std::size_t index) const noexcept;
    [[nodiscard]] std::span<const std::byte> bytes(std::size_t index) const noexcept;
    [[nodiscard]] bool is_truncated(std::size_t index) const noexcept;
    [[nodiscard]] Address sender(std::size_t index) const noexcept;
    [[nodiscard]] Address came_to(std::size_t index) const noexcept;
    [[nodiscard]] bool can_be_answered(std::size_t index) const noexcept;
    bool answer(std::size_t index, std::span<const std::byte> bytes) noexcept;
    void refuse(std::size_t index) noexcept { received_[index].refused = true; }

    const Listener* listener_ = nullptr;
    const Address* peer_ = nullptr;
    std::unique_ptr<std::byte[]> incoming_;  ///< `most` times bytes_max, of which few pages are ever touched.
    std::array<iovec, most> pieces_{};
    std::array<mmsghdr, most> messages_{};
    std::array<Received, most> received_{};

    std::vector<std::byte> outgoing_;  ///< Never grows.
    std::size_t outgoing_size_ = 0;
    std::array<Answer, most> answers_{};
    std::size_t waiting_ = 0;
};

/// Has the kernel say which of our addresses each datagram came to. Idempotent.
void tell_destinations(int socket) noexcept;

}  // namespace bullpen
