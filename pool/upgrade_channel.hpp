/// The upgrade channel: what an old server and the new program that is to take its place tell each other.
///
///     old: listener, listener …, all_listeners      over a socket that the new program inherits
///     new: ready, or failed                         its pools have ready workers; it doesn't accept yet
///     old: go                                       it has stopped accepting; the new one begins
///     old: connection, connection …                 those that wait for their client, as they come free
///     old: the channel's end                        it has ended
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <bullpen/detail/handoff_note.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/channel.hpp"
#include "pool/connections.hpp"
#include "pool/peer.hpp"

namespace bullpen {

/// Raised with each change of a message or of what is in it.
constexpr std::uint32_t upgrade_version = 1;

/// In the environment of the new program: the number of its end.
constexpr const char* upgrade_variable = "BULLPEN_UPGRADE";

enum class UpgradeWord : std::uint32_t { listener = 1, all_listeners, ready, failed, go, connection };

/// A connection that waits for its client. Times are of the machine's one monotonic clock.
struct MovedConnection {
    Peer peer;
    std::int64_t since_ns = 0;
    std::int64_t deadline_ns = 0;
    Resumption resumption{};
    std::uint32_t unsent = 0;
    std::uint8_t crashes = 0;
    std::uint8_t half_heads = 0;
    bool served = false;

    static MovedConnection of(const ConnectionEntry& entry) noexcept;
    void apply_to(ConnectionEntry& entry) const noexcept;
};

/// Plain data of one size, which begins with its version.
struct UpgradeMessage {
    std::uint32_t version = upgrade_version;
    UpgradeWord word{};
    std::int64_t pid = 0;            ///< ready: the new keeper's; go: that of the keeper which will
                                     ///< accompany it, or 0.
    MovedConnection connection{};    ///< connection: with its socket and, if it has one, its file.
    std::array<char, 512> words{};   ///< listener: the text that it was opened from; failed: why, a sentence.
    std::array<char, 256> owners{};  ///< listener, connection: whose: a pool's name, after "pool ", or
                                     ///< "metrics", "control".

    UpgradeMessage() = default;
    explicit UpgradeMessage(UpgradeWord what, std::string_view text = {},
                            std::string_view whose = {}) noexcept;
    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::string owner() const;
};
static_assert(std::is_trivially_copyable_v<UpgradeMessage>);

struct UpgradeMail {
    UpgradeMessage message;
    std::array<UniqueFd, messages_at_once> descriptors;
};

/// Tells the new program to begin; `watcher` is the keeper that will accompany it, or 0. It may be told more
/// than once. Returns false if it isn't there any more.
[[nodiscard]] bool tell_to_go(int channel, pid_t watcher) noexcept;

/// The next message, which stays there; without its descriptors.
std::optional<UpgradeMessage> peek(int channel) noexcept;

/// None of these functions waits. What has another version, or is none of these messages, is
/// Received::malformed.
Sent send(int channel, const UpgradeMessage& message, std::span<const int> descriptors = {}) noexcept;
Received receive(int channel, UpgradeMail& mail) noexcept;

}  // namespace bullpen
