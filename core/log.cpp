#include "core/log.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

#include <bullpen/address.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/parse_number.hpp"
#include "core/printable.hpp"
#include "core/shared_array.hpp"
#include "core/utf8.hpp"
#include "core/write_now.hpp"

namespace bullpen {
namespace {

constexpr std::string_view descriptor_prefix = "fd:";

std::atomic<std::uint64_t> dropped{0};
thread_local const LogSource* source = nullptr;

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

/// What all processes of a server know of the log.
struct SharedLog {
    struct SharedId {
        std::atomic<std::uint64_t> device;
        std::atomic<std::uint64_t> inode;
    };
    std::atomic<LogLevel> level;
    std::atomic<std::uint32_t> turn;   ///< How often the file was reopened,
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
    std::array<char, PATH_MAX> path{};                ///< Its name; empty if it is no file that has one.
    int given = STDERR_FILENO;                        ///< The descriptor that it was made from.
    SharedArray<SharedLog> shared{};                  ///< Empty before open_log(), or without memory.
    std::uint32_t seen = 0;                           ///< The turn that this process has followed.
    std::atomic<LogLevel> own_level{LogLevel::info};  ///< Where nothing is shared.

    [[nodiscard]] bool has_name() const noexcept { return path[0] != '\0' && shared.size() != 0; }
    [[nodiscard]] std::atomic<LogLevel>& level() noexcept {
        return shared.size() == 0 ? own_level : shared[0].level;
    }

    /// False if somebody has closed the log's own descriptor: its number may be a client's by now.
    [[nodiscard]] bool is_intact() const noexcept {
        if (!own) return true;
        const std::optional<FileId> now = FileId::of(fd);
        if (!now) return false;
        if (*now == file || !has_name()) return *now == file;
        return *now == shared[0].file_of(0) || *now == shared[0].file_of(1);
    }
};
Target target;

/// Threads write in turns. A handler's thread may fork while another writes.
std::mutex turns;
[[maybe_unused]] const int kept_usable_for_children =
    ::pthread_atfork([] { turns.lock(); }, [] { turns.unlock(); }, [] { turns.unlock(); });

constexpr int opened_for_log = O_WRONLY | O_APPEND | O_NONBLOCK;

/// Puts the file of that name in the place of the log's own descriptor, and of others where they are that
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
    for (const int other : {STDOUT_FILENO, STDERR_FILENO, target.given})
        if (FileId::of(other) == old) ::dup2(file.get(), other);
    target.file = *id;
    return true;
}

/// Does what the process has done that reopened the log. One that shares its descriptor table has the file
/// already.
void follow_log() noexcept {
    if (!target.has_name()) return;
    const std::uint32_t turn = target.shared[0].turn.load(std::memory_order_acquire);
    if (std::exchange(target.seen, turn) == turn) return;
    const bool has_it = FileId::of(target.fd) == target.shared[0].file_of(turn);
    if (!has_it && target.is_intact()) (void)replace_file();
}

class NeverWaitingSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        if (!target.is_intact() || !write_now(target.fd, {line.data(), line.size()})) ++dropped;
    }
    void flush_() override {}
};

LogFormat format = LogFormat::text;

const char* pattern() noexcept {
    return format == LogFormat::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","pid":%P,%v)"
                                     : "%Y-%m-%d %H:%M:%S.%e %l [%P] %v";
}

spdlog::logger& logger() {
    static const auto instance = [] {
        auto made = std::make_shared<spdlog::logger>("bullpen", std::make_shared<NeverWaitingSink>());
        made->set_pattern(pattern());
        made->set_level(spdlog::level::trace);
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

/// "unknown" has no address.
std::string client_of(const LogSource& of) {
    const Address client = of.client < 0 ? Address{} : Address::of_peer(of.client);
    return client.family() == AF_UNSPEC ? std::string{} : client.text();
}

/// What follows the prefix, without escapes.
std::string as_text(std::string_view text) {
    std::string line;
    if (source != nullptr && !source->pool.empty()) {
        const std::string client = client_of(*source);
        line.append("pool ").append(source->pool);
        if (source->slot != LogSource::no_slot) line += ": worker " + std::to_string(source->slot);
        if (!client.empty()) line += ", client " + client;
        line += ": ";
    }
    return printable(line.append(text));
}

/// The members that follow those of the pattern, and the object's end.
std::string as_json(std::string_view text) {
    std::string line;
    const auto add = [&](const char* name, std::string_view value) {
        const std::string utf8 = to_utf8(value);
        line.append(1, '"').append(name).append("\":").append(
            boost::json::serialize(boost::json::string_view{utf8}));
    };
    if (source != nullptr && !source->pool.empty()) {
        add("pool", source->pool);
        if (source->slot != LogSource::no_slot) line += ",\"slot\":" + std::to_string(source->slot);
        line += ',';
        if (const std::string client = client_of(*source); !client.empty()) {
            add("client", client);
            line += ',';
        }
    }
    add("message", text);
    return line + '}';
}

/// What is written of the text, cut so that a pipe takes the whole line in one piece.
std::string written(std::string_view text) {
    constexpr std::size_t prefix = 96;  // At least.
    constexpr std::size_t room = PIPE_BUF - prefix;
    text = text.substr(0, room);
    for (;;) {
        std::string line = format == LogFormat::json ? as_json(text) : as_text(text);
        if (line.size() <= room || text.empty()) return line;
        std::size_t size = text.size() * room / line.size();
        const auto continues = [&](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; };
        while (size > 0 && continues(text[size]))
            --size;
        text = text.substr(0, size);
    }
}

[[noreturn]] void reject(const std::string& to, const char* what) {
    throw std::runtime_error{"cannot write the log to " + to + ": " + what};
}

UniqueFd twin_of(int fd) noexcept {
    return UniqueFd{::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
}

/// The name that the file has, if it is a regular one that still has it.
std::array<char, PATH_MAX> name_of(int fd) noexcept {
    struct stat file {};
    struct stat named {};
    std::array<char, PATH_MAX> path{};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (::fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return {};
    if (::readlink(link.c_str(), path.data(), path.size() - 1) <= 0) return {};
    if (::stat(path.data(), &named) != 0 || named.st_dev != file.st_dev || named.st_ino != file.st_ino)
        return {};
    return path;
}

/// The same of a file that was opened by a path: as it was given, because it may be a link that will lead
/// elsewhere.
std::array<char, PATH_MAX> absolute(const std::string& path, int fd) noexcept {
    struct stat file {};
    std::array<char, PATH_MAX> name{};
    if (::fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return {};
    if (path.front() != '/' && ::getcwd(name.data(), name.size()) == nullptr) return {};
    const std::size_t size = std::strlen(name.data());
    if (size + 1 + path.size() >= name.size()) return {};
    if (size > 0) name[size] = '/';
    path.copy(name.data() + size + (size > 0 ? 1 : 0), path.size());
    return name;
}

struct Opened {
    UniqueFd fd{};
    int given = STDERR_FILENO;
    std::array<char, PATH_MAX> path{};
};

Opened opened_as(const std::string& to) {
    Opened opened;
    if (to == "stderr") {
        opened.fd = twin_of(STDERR_FILENO);
        opened.path = name_of(STDERR_FILENO);
    } else if (const int number = descriptor_of_log(to); number >= 0) {
        const int flags = ::fcntl(number, F_GETFL);
        if (flags < 0) reject(to, "the descriptor isn't open");
        if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0)
            reject(to, "the descriptor isn't open for writing");
        opened.given = number;
        opened.fd = twin_of(number);
        if (!opened.fd) reject(to, std::strerror(errno));
        opened.path = name_of(number);
    } else {
        constexpr mode_t mode = 0640;
        opened.fd = UniqueFd{::open(to.c_str(), opened_for_log | O_CREAT | O_CLOEXEC | O_NOCTTY, mode)};
        if (!opened.fd) reject(to, std::strerror(errno));
        opened.path = absolute(to, opened.fd.get());
    }
    return opened;
}

}  // namespace

void log(LogLevel level, std::string_view text) noexcept {
    const LogLevel least = target.level().load(std::memory_order_relaxed);
    if (level < least && least <= LogLevel::error) return;
    try {
        const std::string line = written(text);
        const std::lock_guard turn{turns};
        follow_log();
        logger().log(to_spdlog(level), spdlog::string_view_t{line.data(), line.size()});
    } catch (...) {
        ++dropped;
    }
}

std::string log_complaint(std::string_view to) {
    const std::string got{to};
    const std::string expected =
        "expected stderr, fd:N with the number of an open descriptor, or a path, got ";
    if (to.empty()) return expected + "nothing";
    // A file of that name is ./off.
    const bool is_mistake = to == "off" || to == "stdout" || to == "-";
    return is_mistake || (to.starts_with(descriptor_prefix) && descriptor_of_log(to) < 0)
               ? expected + "'" + got + "'"
               : "";
}

int descriptor_of_log(std::string_view to) noexcept {
    if (!to.starts_with(descriptor_prefix)) return -1;
    return parse_number<int>(to.substr(descriptor_prefix.size())).value_or(-1);
}

void open_log(const LogOptions& options) {
    Opened opened = opened_as(options.to);
    SharedArray<SharedLog> shared;
    try {
        shared = SharedArray<SharedLog>{1};
    } catch (const std::exception&) {  // Out of memory: the log goes on in the one file.
        opened.path = {};
    }
    const std::lock_guard turn{turns};
    if (target.own && target.is_intact()) ::close(target.fd);
    target.own = static_cast<bool>(opened.fd);
    target.file = FileId::of(opened.fd.get()).value_or(FileId{});
    target.fd = target.own ? opened.fd.release() : STDERR_FILENO;
    target.path = target.own ? opened.path : std::array<char, PATH_MAX>{};
    target.given = opened.given;
    target.shared = std::move(shared);
    target.seen = 0;
    if (target.has_name()) target.shared[0].note_file(0, target.file);
    target.level() = options.level;
    format = options.format;
    logger().set_pattern(pattern());
}

Reopened reopen_log() noexcept {
    const std::lock_guard turn{turns};
    if (!target.has_name()) return Reopened::no_file;
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
    target.level() = level;
}

std::uint64_t log_lines_dropped() noexcept {
    return dropped;
}

LogsFor::LogsFor(LogSource of) noexcept : source_{of}, outer_{source} {
    source = &source_;
}

LogsFor LogsFor::client(int socket) noexcept {
    LogSource with_client = source == nullptr ? LogSource{} : *source;
    with_client.client = socket;
    return LogsFor{with_client};
}

LogsFor::~LogsFor() {
    source = outer_;
}

}  // namespace bullpen
