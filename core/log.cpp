#include "core/log.hpp"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "core/printable.hpp"
#include "core/write_now.hpp"

namespace bullpen {
namespace {

std::atomic<std::uint64_t> dropped{0};

/// Where lines go.
struct Target {
    int fd = STDERR_FILENO;
    bool own = false;  ///< It is a descriptor of the log's own, on this file:
    dev_t device = 0;
    ino_t inode = 0;

    /// False if somebody has closed the log's own descriptor: its number may be a client's by now.
    [[nodiscard]] bool is_intact() const noexcept {
        struct stat file {};
        return !own || (::fstat(fd, &file) == 0 && file.st_dev == device && file.st_ino == inode);
    }
};
Target target;

class NeverWaitingSink final : public spdlog::sinks::base_sink<std::mutex> {
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        if (!target.is_intact() || !write_now(target.fd, {line.data(), line.size()})) ++dropped;
    }
    void flush_() override {}
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

}  // namespace

void log(LogLevel level, std::string_view text) noexcept {
    try {
        spdlog::logger& out = logger();
        constexpr std::size_t longest =
            3000;  // With its prefix and escapes about what a pipe takes in one piece.
        if (out.should_log(to_spdlog(level))) out.log(to_spdlog(level), printable(text.substr(0, longest)));
    } catch (...) {
        ++dropped;
    }
}

void keep_log_open() noexcept {
    struct stat file {};
    if (target.own || ::fstat(STDERR_FILENO, &file) != 0) return;
    const int fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd >= 0) target = {.fd = fd, .own = true, .device = file.st_dev, .inode = file.st_ino};
}

int log_descriptor() noexcept {
    return target.own ? target.fd : -1;
}

void set_log_level(LogLevel level) noexcept {
    logger().set_level(to_spdlog(level));
}

std::uint64_t log_lines_dropped() noexcept {
    return dropped;
}

}  // namespace bullpen
