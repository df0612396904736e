#include "servers/control_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <bullpen/clock.hpp>
#include "core/channel.hpp"
#include "core/log.hpp"
#include "core/socket_lock.hpp"
#include "core/start_wait.hpp"
#include "pool/control_line.hpp"

namespace bullpen {
namespace {

constexpr std::string_view by_default = "auto";

std::optional<std::string> directory_of(const std::string& setting) {
    if (setting != by_default) {
        if (setting.find('/') == std::string::npos)
            throw std::invalid_argument{
                "control: expected auto, off or a directory's path, with a slash, got '" + setting + "'"};
        return setting;
    }
    if (::geteuid() == 0) return "/run/bullpen";
    const char* const runtime = ::getenv("XDG_RUNTIME_DIR");
    if (runtime == nullptr || *runtime != '/') return {};
    return std::string{runtime} + "/bullpen";
}

/// Makes the directory if it isn't there. Whoever may write to it could put another socket in our place.
void prepare_directory(const std::string& directory) {
    constexpr mode_t only_ours = 0700;
    constexpr mode_t others_write = 0022;
    if (::mkdir(directory.c_str(), only_ours) != 0 && errno != EEXIST)
        throw std::system_error{errno, std::generic_category(),
                                "cannot make " + directory + " for the control socket"};
    struct stat found {};
    if (::stat(directory.c_str(), &found) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot use " + directory};
    if (!S_ISDIR(found.st_mode))
        throw std::invalid_argument{directory + " is no directory; expected one for the control socket"};
    if (found.st_uid != ::geteuid() || (found.st_mode & others_write) != 0)
        throw std::invalid_argument{directory +
                                    " isn't safe for the control socket; expected a directory that is this "
                                    "user's and that nobody else may write to"};
}

bool is_stopping(const Address& address) {
    constexpr std::chrono::seconds patience{1};
    try {
        boost::system::error_code error;
        const boost::json::value answer =
            boost::json::parse(ControlClient{address}.ask("status", false, patience), error);
        const boost::json::value* const phase = error ? nullptr : answer.find_pointer("/server/phase", error);
        return phase != nullptr && *phase == "stopping";
    } catch (const std::exception&) {
        return false;
    }
}

std::optional<ino_t> file_at(const std::string& path) noexcept {
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) return {};
    return file.st_ino;
}

constexpr ListenOptions how_to_listen{.backlog = 64, .unix_mode = 0600};

/// Removes the socket file of a server that is stopping, unless another server has put its own there since.
bool take_over(const Address& address) {
    const std::optional<ino_t> file = file_at(address.path());
    if (!file || !is_stopping(address)) return false;
    const SocketLock lock{address.path(), how_to_listen.lock_patience};
    return file_at(address.path()) == file && ::unlink(address.path().c_str()) == 0;
}

/// Nothing if another server has it. The master of a keeper that was killed may answer for a moment yet.
std::optional<Listener> open_socket(const Address& address) {
    constexpr int tries = 10;
    constexpr std::chrono::milliseconds pause{50};
    for (int attempt = 1; attempt <= tries; ++attempt) {
        try {
            return Listener::open(address, how_to_listen);
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::address_in_use) throw;
        }
        if (!take_over(address)) pause_start(pause);
    }
    return {};
}

bool wait_for_input(int fd, TimePoint deadline) noexcept {
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&readable, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX)));
        if (ready >= 0 || errno != EINTR) return ready == 1;
    }
}

}  // namespace

std::optional<Address> control_address(const std::string& setting, const std::string& name) {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos)
        throw std::invalid_argument{"the name '" + name +
                                    "' can't be that of a control socket's file; expected one that doesn't "
                                    "begin with a dot and has no slash"};
    const std::optional<std::string> directory = directory_of(setting);
    if (!directory) return {};
    const std::string path = *directory + "/" + name + ".sock";
    try {
        return Address::unix_name(path);
    } catch (const AddressError&) {
        throw std::invalid_argument{"the name '" + name + "' is too long: the path of the control socket, " +
                                    path + ", may have 107 bytes and would have " +
                                    std::to_string(path.size())};
    }
}

std::optional<Listener> open_control(const std::string& setting, const std::string& name,
                                     Inheritance& inheritance) {
    if (setting == "off") return {};
    const std::string why_off = "there is no control socket, so bullpen ctl can't reach this server: ";
    try {
        const std::optional<Address> address = control_address(setting, name);
        if (!address) {
            log(LogLevel::info, why_off + "XDG_RUNTIME_DIR isn't set; --control DIR chooses a directory");
            return {};
        }
        std::vector<Listener> inherited = inheritance.take("control", address->text(), how_to_listen);
        if (!inherited.empty()) return std::move(inherited.front());
        prepare_directory(*directory_of(setting));
        if (std::optional<Listener> listener = open_socket(*address)) return listener;
        throw std::invalid_argument{"the control socket " + address->path() +
                                    " belongs to another server, which is running; give this one a name of "
                                    "its own (--name) or another directory (--control)"};
    } catch (const StoppedAtStart&) {
        throw;
    } catch (const std::exception& error) {
        if (setting != by_default) throw;
        log(LogLevel::warning, why_off + error.what());
        return {};
    }
}

ControlClient::ControlClient(const Address& address)
    : socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    constexpr timeval patience{.tv_sec = 5, .tv_usec = 0};  // While others crowd its backlog.
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!socket_ || ::connect(socket_.get(), address.data(), address.size()) != 0)
        throw std::system_error{errno, std::generic_category(), address.path()};
    ucred server{};
    socklen_t size = sizeof server;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &server, &size) != 0 ||
        (server.uid != 0 && server.uid != ::geteuid() && ::geteuid() != 0))
        throw std::invalid_argument{address.path() + " belongs to another user's server"};
}

void ControlClient::note_keeper(pid_t pid) noexcept {
    process_ = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
}

std::string ControlClient::ask(std::string_view command, bool now, std::chrono::milliseconds timeout) {
    const TimePoint deadline = Clock::now() + timeout;
    const std::string request = request_line(command, now);
    if (::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
        throw std::runtime_error{"the server didn't take the command"};
    std::string answer;
    std::array<char, 65536> piece;
    while (answer.find('\n') == std::string::npos) {
        if (!wait_for_input(socket_.get(), deadline))
            throw std::runtime_error{
                "the server has not answered within " +
                std::to_string(std::chrono::duration_cast<std::chrono::seconds>(timeout).count()) +
                " s; what it was told may still happen"};
        Packet packet;
        const Received received =
            receive_packet(socket_.get(), std::as_writable_bytes(std::span{piece}), packet);
        if (received == Received::empty || received == Received::later) continue;
        if (received != Received::message || answer.size() > answer_line_max)
            throw std::runtime_error{
                "the connection to the server was cut before it had answered: its master may have died; what "
                "it was told may still happen"};
        answer.append(piece.data(), packet.size);
        if (packet.descriptors[0]) attachment_ = std::move(packet.descriptors[0]);
    }
    answer.resize(answer.find('\n'));
    return answer;
}

bool ControlClient::wait_for_end(std::chrono::milliseconds timeout) const noexcept {
    return !process_ || wait_for_input(process_.get(), Clock::now() + timeout);
}

}  // namespace bullpen
