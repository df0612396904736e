/// Small writes, collected: many pieces of an answer, few system calls and segments.
///
///     bullpen::BufferedWriter out{client};
///     for (const Row& row : rows) out.write(row.text);
///     out.flush();
///
/// A coroutine over an AsyncConnection collects its pieces in a std::string and gives that to write_all().
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <bullpen/connection.hpp>
#include <bullpen/log.hpp>

namespace bullpen {

/// Borrows a Connection, which must outlive it and to which nothing else is written meanwhile. Bytes leave in
/// the order in which they were written. What is sent is under limits().write and throws what
/// Connection::write_all() does, after which nothing more is sent.
class BufferedWriter {
public:
    static constexpr std::size_t default_room = 16'384;  ///< Bytes.

    /// `room`: bytes that are collected before they are sent; at least 1. Throws std::bad_alloc.
    explicit BufferedWriter(Connection& client, std::size_t room = default_room)
        : client_{client}, room_{std::max<std::size_t>(room, 1)}, buffer_{new std::byte[room_]} {}

    /// Sends nothing, for that might have to wait and to throw. Bytes that were neither flushed nor stopped
    /// by an exception are a fault of the handler's, which the log names.
    ~BufferedWriter() {
        if (size_ == 0 || std::uncaught_exceptions() > exceptions_) return;
        log(LogLevel::error, "a BufferedWriter ended with " + std::to_string(size_) +
                                 " bytes that were never sent: call flush() or write_last() before");
    }
    BufferedWriter(const BufferedWriter&) = delete;
    BufferedWriter& operator=(const BufferedWriter&) = delete;

    /// Collects the bytes. Where there is no room for them, sends what was collected before, and at once
    /// those that are as large as the room themselves (without copying them). May wait for the client then.
    void write(std::span<const std::byte> bytes) {
        if (bytes.size() > room_ - size_)
            send([this](std::string_view head) { client_.write_before_more(head); });
        if (bytes.size() >= room_) return client_.write_all(bytes);
        std::copy(bytes.begin(), bytes.end(), buffer_.get() + size_);
        size_ += bytes.size();
    }
    void write(std::string_view text) { write(std::as_bytes(std::span{text})); }

    /// Sends what was collected.
    void flush() {
        send([this](std::string_view all) { client_.write_all(all); });
    }

    /// Sends what was collected and `text`, and ends our side with them: see Connection::write_last().
    void write_last(std::string_view text = {}) {
        write(text);
        send([this](std::string_view last) { client_.write_before_more(last); });
        client_.shutdown_write();
    }

    /// Bytes that were collected and not sent.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    /// Nothing is sent twice: what can't be sent is dropped with its connection.
    template <typename Send>
    void send(Send how) {
        const std::size_t size = std::exchange(size_, 0);
        if (size > 0) how(std::string_view{reinterpret_cast<const char*>(buffer_.get()), size});
    }

    Connection& client_;
    std::size_t room_;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t size_ = 0;
    int exceptions_ = std::uncaught_exceptions();
};

}  // namespace bullpen
