#include "core/log.hpp"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <bullpen/unique_fd.hpp>
#include "core/printable.hpp"
#include "core/shared_array.hpp"
#include "core/write_now.hpp"

namespace bullpen {
namespace {

std::atomic<std::uint64_t> dropped{0};

struct FileId {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool operator==(const FileId&) const = default;

    /// Of an open file; nothing if the descriptor is closed.
    static std::optional<FileId> of(int fd) noexcept {
        struct stat file {};
        if (::fstat(fd, &file) != 0) return {};
        return FileId{file.st_dev, file.st_ino};
    }
};

/// What all processes of a server know of the log's file.
struct Reopening {
    struct SharedId {
        std::atomic<std::uint64_t> device;
        std::atomic<std::uint64_t> inode;
    };
    std::atomic<std::uint32_t> turn;   ///< How often it was reopened,
    std::array<SharedId, 2> last_two;  ///< and the files since the last two turns, by turn % 2.

    [[nodiscard]] FileId file_of(std::uint32_t of_turn) const noexcept {
        const SharedId& id = last_two[of_turn % 2];
        return {id.device.load(std::memory_order_relaxed), id.inode.load(std::memory_order_relaxed)};
    }
    void note_file(std::uint32_t of_turn, FileId file) noexcept {
        last_two[of_turn % 2].device.store(file.device, std::memory_order_relaxed);
        last_two[of_turn % 2].inode.store(file.inode, std::memory_order_relaxed);
    }
};

/// Where lines go.
struct Target {
    int fd = STDERR_FILENO;
    bool own = false;  ///< It is a descriptor of the log's own, on this file:
    FileId file{};
    std::array<char, PATH_MAX> path{};   ///< Its name; empty if it is no file that has one.
    SharedArray<Reopening> shared{};     ///< Empty without a path.
    std::atomic<std::uint32_t> seen{0};  ///< The turn that this process has followed.

    /// False if somebody has closed the log's own descriptor: its number may be a client's by now.
    [[nodiscard]] bool is_intact() const noexcept {
        if (!own) return true;
        const std::optional<FileId> now = FileId::of(fd);
        if (!now) return false;
        if (*now == file || shared.size() == 0) return *now == file;
        return *now == shared[0].file_of(0) || *now == shared[0].file_of(1);
    }
};
Target target;

constexpr int opened_for_log = O_WRONLY | O_APPEND | O_NONBLOCK;

/// Puts the file of that name in the place of the log's own descriptor, and of 1 and 2 where they are that
/// file. False, errno set, if that can't be: then all stays as it was.
bool replace_file() noexcept {
    const std::optional<FileId> old = FileId::of(target.fd);
    struct stat mode {};
    if (!old || ::fstat(target.fd, &mode) != 0) return false;
    constexpr int how = opened_for_log | O_CREAT | O_CLOEXEC | O_NOCTTY;
    const UniqueFd file{::open(target.path.data(), how, mode.st_mode & 0777)};
    const std::optional<FileId> id = FileId::of(file.get());
    if (!id) return false;
    // Before the first line goes there: a process with the same descriptor table writes to it, too.
    target.shared[0].note_file(target.shared[0].turn.load(std::memory_order_relaxed) + 1, *id);
    if (::dup3(file.get(), target.fd, O_CLOEXEC) < 0) return false;
    for (const int standard : {STDOUT_FILENO, STDERR_FILENO})
        if (FileId::of(standard) == old) ::dup2(file.get(), standard);
    target.file = *id;
    return true;
}

/// Does what the process has done that reopened the log. One that shares its descriptor table has the file
/// already.
void follow_log() noexcept {
    if (target.shared.size() == 0) return;
    const std::uint32_t turn = target.shared[0].turn.load(std::memory_order_acquire);
    if (target.seen.exchange(turn, std::memory_order_relaxed) == turn) return;
    const bool has_it = FileId::of(target.fd) == target.shared[0].file_of(turn);
    if (!has_it && target.is_intact()) (void)replace_file();
}

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

/// If the log is a regular file that still has its name.
void remember_name() noexcept {
    struct stat file {};
    struct stat named {};
    std::array<char, PATH_MAX> path{};
    const std::string link = "/proc/self/fd/" + std::to_string(target.fd);
    if (::fstat(target.fd, &file) != 0 || !S_ISREG(file.st_mode)) return;
    if (::readlink(link.c_str(), path.data(), path.size() - 1) <= 0) return;
    if (::stat(path.data(), &named) != 0 || named.st_dev != file.st_dev || named.st_ino != file.st_ino)
        return;
    try {
        target.shared = SharedArray<Reopening>{1};
    } catch (const std::exception&) {  // Out of memory: the log goes on in the one file.
        return;
    }
    target.shared[0].note_file(0, target.file);
    target.path = path;
}

}  // namespace

void log(LogLevel level, std::string_view text) noexcept {
    try {
        follow_log();
        spdlog::logger& out = logger();
        constexpr std::size_t longest =
            3000;  // With its prefix and escapes about what a pipe takes in one piece.
        if (out.should_log(to_spdlog(level))) out.log(to_spdlog(level), printable(text.substr(0, longest)));
    } catch (...) {
        ++dropped;
    }
}

void keep_log_open() noexcept {
    const std::optional<FileId> file = FileId::of(STDERR_FILENO);
    if (target.own || !file) return;
    const int fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) return;
    target.fd = fd;
    target.own = true;
    target.file = *file;
    remember_name();
}

Reopened reopen_log() noexcept {
    if (target.shared.size() == 0) return Reopened::no_file;
    if (!target.is_intact() || !replace_file()) return Reopened::failed;
    target.seen = target.shared[0].turn.load(std::memory_order_relaxed) + 1;
    target.shared[0].turn.store(target.seen, std::memory_order_release);
    return Reopened::yes;
}

bool is_opened_for_log(int fd) noexcept {
    constexpr int compared = O_ACCMODE | O_APPEND | O_NONBLOCK;
    const int flags = ::fcntl(fd, F_GETFL);
    struct stat file {};
    return flags >= 0 && (flags & compared) == opened_for_log && ::fstat(fd, &file) == 0 &&
           S_ISREG(file.st_mode);
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
