#include "core/log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <memory>
#include <mutex>
#include <string>

namespace bullpen {
namespace {

std::atomic<std::uint64_t> dropped{0};

/// Hands whole lines to stderr without ever waiting. O_NONBLOCK is not set on it: the flag would be shared
/// with every other process that has that terminal or pipe.
class NeverWaitingSink final : public spdlog::sinks::base_sink<std::mutex> {
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        if (!write_now(line.data(), line.size())) ++dropped;
    }
    void flush_() override {}

    static bool write_now(const char* data, std::size_t size) noexcept {
        const ssize_t sent = ::send(STDERR_FILENO, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) return sent == static_cast<ssize_t>(size);
        if (errno != ENOTSOCK) return false;
        struct stat file {};
        if (::fstat(STDERR_FILENO, &file) == 0 && S_ISFIFO(file.st_mode)) {
            // A poll would not do: another process may fill the pipe between the poll and the write.
            const iovec line{const_cast<char*>(data), std::min<std::size_t>(size, PIPE_BUF)};
            constexpr off_t here = -1;
            return ::pwritev2(STDERR_FILENO, &line, 1, here, RWF_NOWAIT) == static_cast<ssize_t>(size);
        }
        pollfd writable{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};  // Room for PIPE_BUF bytes.
        if (::poll(&writable, 1, 0) != 1 || (writable.revents & POLLOUT) == 0) return false;
        return ::write(STDERR_FILENO, data, std::min<std::size_t>(size, PIPE_BUF)) ==
               static_cast<ssize_t>(size);
    }
};

spdlog::logger& logger() {
    static const auto instance = [] {
        auto made = std::make_shared<spdlog::logger>("bullpen", std::make_shared<NeverWaitingSink>());
        made->set_pattern("%Y-%m-%d %H:%M:%S.%e %l [%P] %v");
        made->set_error_handler([](const std::string&) { ++dropped; });
        return made;
    }();
    return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::debug: return spdlog::level::debug;
        case LogLevel::info: return spdlog::level::info;
        case LogLevel::warning: return spdlog::level::warn;
        case LogLevel::error: return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::string printable(std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    constexpr std::size_t longest =
        3000;  // With its prefix and escapes about what a pipe takes in one piece.
    text = text.substr(0, longest);
    std::string line;
    line.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f)
            line += c;
        else
            line.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return line;
}

}  // namespace

void log(LogLevel level, std::string_view text) noexcept {
    try {
        spdlog::logger& out = logger();
        if (out.should_log(to_spdlog(level))) out.log(to_spdlog(level), printable(text));
    } catch (...) {
        ++dropped;
    }
}

void set_log_level(LogLevel level) noexcept {
    logger().set_level(to_spdlog(level));
}

std::uint64_t log_lines_dropped() noexcept {
    return dropped;
}

}  // namespace bullpen
