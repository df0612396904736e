/// Handlers that are called once for each whole message: a line, or a frame behind its length.
///
///     bullpen::serve(options, bullpen::by_lines([](bullpen::Connection& client, std::string_view line) {
///         client.write_all(std::string{line} + "\n");
///     }));
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <bullpen/connection.hpp>
#include <bullpen/detail/empty_function.hpp>
#include <bullpen/handler.hpp>

namespace bullpen {

struct MessageOptions {
    std::size_t longest = 8192;  ///< Bytes of a message, its line end or length included.
    std::string too_long = {};   ///< What a client whose message is longer gets before it is closed.
};

/// Where a message ends: its content, and the bytes that it takes. Lines end with LF; a CR before it is no
/// part of the line.
struct Lines {
    struct Message {
        std::size_t begin;  ///< Of the content.
        std::size_t size;   ///< Of the content.
        std::size_t taken;  ///< Of all.
    };
    [[nodiscard]] static std::optional<Message> first_in(std::span<const std::byte> bytes,
                                                         std::size_t /*longest*/) noexcept {
        const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return {};
        const std::size_t size = end > 0 && text[end - 1] == '\r' ? end - 1 : end;
        return Message{0, size, end + 1};
    }
    static std::string_view content(std::span<const std::byte> bytes) noexcept {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
};

/// A length of so many bytes in network byte order, then that many bytes.
template <std::size_t length_bytes>
struct Frames {
    using Message = Lines::Message;
    /// A frame that is longer than `longest` is as long as that, so that it is found to be too long.
    [[nodiscard]] static std::optional<Message> first_in(std::span<const std::byte> bytes,
                                                         std::size_t longest) noexcept {
        if (bytes.size() < length_bytes) return {};
        std::size_t size = 0;
        for (const std::byte byte : bytes.first(length_bytes))
            size = size << 8U | std::to_integer<std::size_t>(byte);
        if (length_bytes + size > longest) return Message{length_bytes, size, length_bytes + size};
        if (bytes.size() < length_bytes + size) return {};
        return Message{length_bytes, size, length_bytes + size};
    }
    static std::span<const std::byte> content(std::span<const std::byte> bytes) noexcept { return bytes; }
};

/// A handler that finds messages of one form. An incomplete message stays in the kernel, so that its
/// connection is parked where the model parks; it must be complete within limits().header from its first byte
/// on, and limits().idle holds between two. Whole messages are taken before the function is called with the
/// first of them, once each. What a client has sent of a message when it ends its side is dropped. Uses the
/// first 16 bytes of Connection::state(); the others are the function's.
template <typename Form, typename PerMessage>
class MessageHandler {
public:
    MessageHandler(PerMessage per_message, MessageOptions options)
        : per_message_{std::move(per_message)}, options_{std::move(options)} {}

    /// Whether its function is an empty one: see Handler.
    friend bool operator==(const MessageHandler& handler, std::nullptr_t) {
        return detail::is_empty_function(handler.per_message_);
    }

    Next operator()(Connection& client) {
        const std::unique_ptr<std::byte[]> room{new std::byte[options_.longest]};
        Progress progress;
        std::memcpy(&progress, client.state().data(), sizeof progress);
        if (progress.seen == refused) return linger(client, progress);
        if (progress.seen > options_.longest) progress = {};  // Another worker has corrupted it.
        for (;;) {
            const std::span<std::byte> buffer{room.get(), options_.longest};
            const std::optional<Peeked> peeked = client.peek(buffer, progress.patience(), progress.seen);
            if (!peeked) return Next::await_input;
            const std::span<std::byte> seen = buffer.first(peeked->size);
            const std::size_t whole = whole_messages(seen);
            if (whole > options_.longest || (whole == 0 && seen.size() == options_.longest))
                return refuse(client);
            if (whole == 0 && peeked->ended) {
                client.take(seen);  // What is left in the kernel would reset the connection.
                return Next::close;
            }
            if (whole == 0) {
                progress.begin(client.limits().header);
                progress.seen = static_cast<std::uint32_t>(seen.size());
            } else {
                client.take(seen.first(whole));
                progress = {};
            }
            std::memcpy(client.state().data(), &progress, sizeof progress);
            if (whole > 0 && call_for_each(client, seen.first(whole)) == Next::close) return Next::close;
        }
    }

private:
    static constexpr std::uint64_t refused = UINT64_MAX;  ///< Progress::seen once a message was too long.

    /// Kept with the connection.
    struct Progress {
        /// Of a message that has begun (CLOCK_MONOTONIC); since when a client that was refused lingers.
        std::uint64_t deadline_ns = 0;
        std::uint64_t seen = 0;  ///< Bytes of the message; 0: none has begun.

        [[nodiscard]] Patience patience() const noexcept {
            if (seen == 0) return {};
            return {Limit::header, TimePoint{std::chrono::nanoseconds{deadline_ns}}};
        }
        void begin(std::chrono::milliseconds limit) noexcept {
            if (seen == 0) deadline_ns = ns_of(Clock::now() + limit);
        }
    };

    /// The bytes of all whole messages from the first on; more than `longest` if the first one is too long.
    [[nodiscard]] std::size_t whole_messages(std::span<const std::byte> bytes) const noexcept {
        std::size_t whole = 0;
        while (const auto message = Form::first_in(bytes.subspan(whole), options_.longest)) {
            if (message->taken > options_.longest) return whole > 0 ? whole : message->taken;
            whole += message->taken;
        }
        return whole;
    }

    Next call_for_each(Connection& client, std::span<const std::byte> bytes) {
        while (const auto message = Form::first_in(bytes, options_.longest)) {
            const auto content = Form::content(bytes.subspan(message->begin, message->size));
            if constexpr (std::is_void_v<std::invoke_result_t<PerMessage&, Connection&, decltype(content)>>)
                per_message_(client, content);
            else if (per_message_(client, content) == Next::close)
                return Next::close;
            bytes = bytes.subspan(message->taken);
        }
        return Next::await_input;
    }

    /// A plain close would destroy the answer of a client that is still sending. Where the connection can be
    /// parked, only moments of the worker are spent on throwing away what comes.
    Next refuse(Connection& client) const {
        if (options_.too_long.empty()) return Next::close;
        client.write_last(options_.too_long);
        if (!client.can_be_parked()) {
            client.linger();
            return Next::close;
        }
        return linger(client, {.deadline_ns = ns_of(Clock::now()), .seen = refused});
    }

    static Next linger(Connection& client, const Progress& progress) {
        std::memcpy(client.state().data(), &progress, sizeof progress);
        const TimePoint begun{std::chrono::nanoseconds{progress.deadline_ns}};
        return client.linger_a_turn(begun) ? Next::await_input : Next::close;
    }

    static std::uint64_t ns_of(TimePoint time) noexcept {
        return static_cast<std::uint64_t>(std::chrono::nanoseconds{time.time_since_epoch()}.count());
    }

    PerMessage per_message_;
    MessageOptions options_;
};

template <typename Result>
inline constexpr bool returns_next = std::is_void_v<Result> || std::is_same_v<Result, Next>;

/// `per_line` is called with the client and a std::string_view of each line, without its end, and returns
/// nothing, or Next::close to end the connection.
template <typename PerLine>
auto by_lines(PerLine per_line, MessageOptions options = {}) {
    static_assert(std::is_invocable_v<PerLine&, Connection&, std::string_view>,
                  "by_lines() takes a function of (bullpen::Connection&, std::string_view line)");
    if constexpr (std::is_invocable_v<PerLine&, Connection&, std::string_view>)
        static_assert(returns_next<std::invoke_result_t<PerLine&, Connection&, std::string_view>>,
                      "what by_lines() calls returns nothing, or bullpen::Next");
    return MessageHandler<Lines, PerLine>{std::move(per_line), std::move(options)};
}

/// The same with a std::span<const std::byte> of each frame, without its length, which has so many bytes.
template <std::size_t length_bytes = 4, typename PerFrame>
auto by_frames(PerFrame per_frame, MessageOptions options = {}) {
    static_assert(length_bytes == 1 || length_bytes == 2 || length_bytes == 4,
                  "a frame's length has 1, 2 or 4 bytes");
    static_assert(std::is_invocable_v<PerFrame&, Connection&, std::span<const std::byte>>,
                  "by_frames() takes a function of (bullpen::Connection&, std::span<const std::byte> frame)");
    if constexpr (std::is_invocable_v<PerFrame&, Connection&, std::span<const std::byte>>)
        static_assert(returns_next<std::invoke_result_t<PerFrame&, Connection&, std::span<const std::byte>>>,
                      "what by_frames() calls returns nothing, or bullpen::Next");
    return MessageHandler<Frames<length_bytes>, PerFrame>{std::move(per_frame), std::move(options)};
}

}  // namespace bullpen
