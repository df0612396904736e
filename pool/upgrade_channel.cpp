#include "pool/upgrade_channel.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace bullpen {

MovedConnection MovedConnection::of(const ConnectionEntry& entry) noexcept {
    MovedConnection moved;
    moved.peer = entry.peer;
    moved.since_ns = entry.since.time_since_epoch().count();
    moved.deadline_ns = entry.deadline.time_since_epoch().count();
    moved.resumption = entry.resumption;
    moved.unsent = entry.unsent;
    moved.crashes = entry.crashes;
    moved.half_heads = entry.half_heads;
    moved.served = entry.served;
    return moved;
}

void MovedConnection::apply_to(ConnectionEntry& entry) const noexcept {
    entry.since = TimePoint{std::chrono::nanoseconds{since_ns}};
    entry.deadline = TimePoint{std::chrono::nanoseconds{deadline_ns}};
    entry.resumption = resumption;
    entry.unsent = unsent;
    entry.crashes = crashes;
    entry.half_heads = half_heads;
    entry.served = served;
    entry.was_given = true;
}

UpgradeMessage::UpgradeMessage(UpgradeWord what, std::string_view text, std::string_view whose) noexcept
    : word{what} {
    text.copy(words.data(), words.size() - 1);
    whose.copy(owners.data(), owners.size() - 1);
}

std::string UpgradeMessage::text() const {
    return {words.data(), ::strnlen(words.data(), words.size())};
}

std::string UpgradeMessage::owner() const {
    return {owners.data(), ::strnlen(owners.data(), owners.size())};
}

bool tell_to_go(int channel, pid_t watcher) noexcept {
    UpgradeMessage message{UpgradeWord::go};
    message.pid = watcher;
    return send(channel, message) == Sent::sent;
}

std::optional<UpgradeMessage> peek(int channel) noexcept {
    UpgradeMessage message;
    const ssize_t size = ::recv(channel, &message, sizeof message, MSG_PEEK | MSG_DONTWAIT);
    if (size != sizeof message || message.version != upgrade_version) return {};
    return message;
}

Sent send(int channel, const UpgradeMessage& message, std::span<const int> descriptors) noexcept {
    return send_packet(channel, std::as_bytes(std::span{&message, 1}), descriptors);
}

Received receive(int channel, UpgradeMail& mail) noexcept {
    Packet packet;
    const auto bytes = std::as_writable_bytes(std::span{&mail.message, 1});
    const Received received = receive_packet(channel, bytes, packet);
    if (received != Received::message) return received;
    if (packet.size != sizeof mail.message || mail.message.version != upgrade_version)
        return Received::malformed;
    mail.descriptors = std::move(packet.descriptors);
    return Received::message;
}

}  // namespace bullpen
