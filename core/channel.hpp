/// Passing descriptors between processes: a SOCK_SEQPACKET socketpair, one message per connection.
///
/// One send is one receive, so there is no reassembly (UNP 15.7, TLPI 61.13.3). In a crowd one send takes
/// some connections at once: most of the price of a send and a receive is for each call, not for each
/// descriptor. Both sides own a received descriptor before they look at the message.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <bullpen/detail/handoff_note.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

enum class MessageKind : std::uint32_t {
    connection = 1,  ///< Master to worker: serve this client.
    retire = 2,      ///< Master to worker: nothing comes after this; exit.
    answer = 3,      ///< Master to worker: say in your row that you are alive.
    file = 4,        ///< Worker to master: the file of a connection that waits for its client.
    recall = 5,      ///< Master to worker: you have waited for the next request for long enough.
};

/// What travels beside the descriptors. The same size always, so that a short message is a broken one.
struct Message {
    MessageKind kind = MessageKind::connection;
    std::uint32_t generation = 0;  ///< Of the worker it was meant for. A connection is served by any.
    std::uint64_t since_ns = 0;    ///< CLOCK_MONOTONIC when the client began to wait for a worker: it was
                                   ///< accepted or, where that was to be awaited, spoke.
    std::uint64_t handoff = 0;     ///< Its number, counted by slot.
    std::uint32_t listener = 0;    ///< Index of the pool's listener that it came from.
    std::uint32_t unused = 0;
    Resumption resumption{};  ///< How the client was waited for, and what the last handler has left.
};
static_assert(std::is_trivially_copyable_v<Message> && sizeof(Message) == 112);

enum class Sent {
    sent,
    would_block,  ///< The channel or the user's limit of descriptors in flight (ETOOMANYREFS) is full: later.
    closed,       ///< The other side is gone, or the kernel refuses; errno says which.
};

enum class Received {
    message,
    empty,      ///< Nothing there now (only where a wait was not asked for or was interrupted).
    later,      ///< The kernel is out of memory for it now: it is still there.
    closed,     ///< End of file: nothing will ever come.
    truncated,  ///< A descriptor was lost on the way (MSG_CTRUNC): this process may open no more of them. The
                ///< messages are there.
    malformed,  ///< Not a Message; what came with it has been closed.
};

/// Both ends of a channel, CLOEXEC. The ends are alike: the caller chooses which end is whose.
struct ChannelEnds {
    UniqueFd master;
    UniqueFd worker;
};

/// Throws std::system_error when the process is out of descriptors.
ChannelEnds make_channel();

/// How many messages one send takes at most.
constexpr std::size_t messages_at_once = 4;

/// Sends one message with 0 to 2 borrowed descriptors; never blocks. The receiver gets its own copies.
Sent send_message(int channel, const Message& message, std::span<const int> descriptors) noexcept;

/// The same for 1 to messages_at_once messages, which are received by one call. Several have one descriptor
/// each.
Sent send_messages(int channel, std::span<const Message> messages, std::span<const int> descriptors) noexcept;

/// What one call receives: a message with up to 2 descriptors, or several with one each.
struct Envelope {
    std::array<Message, messages_at_once> all;
    std::size_t count = 0;
    std::array<UniqueFd, messages_at_once> descriptors;

    [[nodiscard]] std::span<const Message> messages() const noexcept { return {all.data(), count}; }
    [[nodiscard]] const Message& message() const noexcept { return all[0]; }
};

enum class Wait { never, until_message };

/// Receives one message. ECONNRESET comes before messages still queued and is not the end (field-tested:
/// Linux 6.18), so this reads on past it. A wait ends early, with `empty`, when a signal handler ran.
Received receive_message(int channel, Envelope& envelope, Wait wait) noexcept;

/// A packet of any other shape, with at most two descriptors, over such a channel.
struct Packet {
    std::size_t size = 0;
    std::array<UniqueFd, messages_at_once> descriptors;
};
Sent send_packet(int channel, std::span<const std::byte> bytes, std::span<const int> descriptors) noexcept;
/// Never waits. A packet that is longer than `bytes` is cut.
Received receive_packet(int channel, std::span<std::byte> bytes, Packet& packet) noexcept;

/// Closes what came and isn't kept. The sender may have set SO_LINGER on it: then close(2) would wait.
void discard(Envelope& envelope) noexcept;

}  // namespace bullpen
