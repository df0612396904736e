/// remote-command: runs the command that a client sends (TLPI, exercise 61-5).
///
/// The client sends a command and ends its side; it gets what the command writes to its output and errors,
/// and then a NUL byte and one line that says how it ended:
///
///     exit N           it exited with this status (127: it wasn't started, and the text says why)
///     signal N         a signal ended it
///     limit NAME       it was ended because it took more time, or wrote more output, than it may
#include <poll.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <bullpen/connection.hpp>
#include <bullpen/log.hpp>
#include "core/account.hpp"
#include "core/printable.hpp"
#include "servers/services/await_whole.hpp"
#include "servers/services/bounded_command.hpp"
#include "servers/services/command_words.hpp"
#include "servers/services/option_error.hpp"
#include "servers/services/own_program.hpp"
#include "servers/services/program_path.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

constexpr std::size_t command_most = 8192;
constexpr std::string_view folders = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// What the options come to; made before the workers are.
struct Terms {
    std::string shell;  ///< Empty: none.
    std::chrono::seconds time;
    std::uint64_t output_bytes;
    CommandBounds bounds;
};

Terms terms_of(const ServiceOptions& options) {
    Terms terms{.shell = options.command_shell == "off" ? "" : options.command_shell,
                .time = std::chrono::seconds{options.command_timeout},
                .output_bytes = static_cast<std::uint64_t>(options.command_output) * 1024,
                .bounds = {.cpu_s = static_cast<std::uint64_t>(options.command_timeout),
                           .memory_bytes = static_cast<std::uint64_t>(options.command_memory) << 20U,
                           .variables = {"PATH=" + std::string{folders}}}};
    try {
        if (!terms.shell.empty()) terms.shell = program_path(terms.shell, folders);
    } catch (const std::invalid_argument& error) {
        throw OptionError{"command_shell", error.what()};
    }
    const std::string& user = options.command_user;
    if (user.empty()) {
        if (::geteuid() != 0) return terms;
        throw OptionError{"command_user",
                          "remote-command runs what any client sends, and not as root unless it is told so; "
                          "expected a user, as in nobody"};
    }
    try {
        const auto [uid, gid] = parse_account(user);
        if (uid == ::geteuid()) return terms;
        if (::geteuid() != 0)
            throw std::invalid_argument{"only root can run commands as another user, as '" + user + "'"};
        terms.bounds.user = uid;
        terms.bounds.group = gid;
    } catch (const std::invalid_argument& error) {
        throw OptionError{"command_user", error.what()};
    }
    return terms;
}

std::vector<std::string> argv_for(const std::string& command, const Terms& terms) {
    if (!terms.shell.empty()) return {terms.shell, "-c", command};
    std::vector<std::string> words = command_words(command);
    if (words.empty()) throw std::invalid_argument{"there is no command"};
    words.front() = program_path(words.front(), folders);
    return words;
}

class Run {
public:
    Run(Connection& client, const Terms& terms, const std::vector<std::string>& argv)
        : client_{client}, terms_{terms}, command_{argv, terms.bounds}, end_{Clock::now() + terms.time} {}

    /// Returns the last line.
    std::string to_its_end() {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
            // No events of the client's: it is asked only whether it has gone.
            pollfd sources[] = {{.fd = command_.output(), .events = POLLIN, .revents = 0},
                                {.fd = command_.end(), .events = POLLIN, .revents = 0},
                                {.fd = client_.fd(), .events = 0, .revents = 0}};
            const int found =
                ::poll(sources, std::size(sources), static_cast<int>(std::max(left.count(), 0L)));
            if (found < 0 && errno == EINTR) continue;
            if (found == 0) return "limit time";
            if ((sources[2].revents & (POLLHUP | POLLERR)) != 0)
                client_.write_all(" ");  // Throws ClientGone: nothing can be written to who has gone.
            const bool has_ended = sources[1].revents != 0;
            if (!pass_on()) return "limit output";
            if (has_ended) return describe(command_.finish());
            if ((sources[0].revents & POLLHUP) != 0) return wait_for_end();
        }
    }

private:
    /// Sends what is there of the output; false: it is more than there may be.
    bool pass_on() {
        std::array<std::byte, 64 * 1024> buffer;
        for (;;) {
            const ssize_t size = ::read(command_.output(), buffer.data(), buffer.size());
            if (size < 0 && errno == EINTR) continue;
            if (size <= 0) return true;
            const auto part = std::min(static_cast<std::uint64_t>(size), terms_.output_bytes - sent_);
            client_.write_all(std::span<const std::byte>{buffer}.first(part));
            sent_ += part;
            if (part < static_cast<std::uint64_t>(size)) return false;
        }
    }

    /// It has closed its output and may go on for a while.
    std::string wait_for_end() {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
            pollfd end{.fd = command_.end(), .events = POLLIN, .revents = 0};
            const int found = ::poll(&end, 1, static_cast<int>(std::max(left.count(), 0L)));
            if (found < 0 && errno == EINTR) continue;
            return found == 0 ? "limit time" : describe(command_.finish());
        }
    }

    static std::string describe(int status) {
        return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                   : "exit " + std::to_string(WEXITSTATUS(status));
    }

    Connection& client_;
    const Terms& terms_;
    BoundedCommand command_;
    TimePoint end_;
    std::uint64_t sent_ = 0;
};

std::string run(Connection& client, const Terms& terms, const std::string& command) {
    try {
        return Run{client, terms, argv_for(command, terms)}.to_its_end();
    } catch (const std::invalid_argument& error) {
        client.write_all(std::string{error.what()} + "\n");
    } catch (const std::system_error& error) {
        client.write_all(std::string{error.what()} + "\n");
    }
    return "exit 127";
}

Next serve(Connection& client, const Terms& terms) {
    std::array<std::byte, command_most + 1> buffer;
    const auto until_its_end = [](std::string_view) { return false; };
    const std::optional<std::size_t> size = await_whole(client, buffer, until_its_end);
    if (!size) return Next::await_input;
    client.take(std::span{buffer}.first(*size));
    std::string command{reinterpret_cast<const char*>(buffer.data()), *size};
    std::string end = "exit 127";
    if (*size > command_most) {
        client.write_all("a command has at most " + std::to_string(command_most) + " bytes\n");
    } else {
        client.begin_request(command.substr(0, command.find('\n')));
        end = run(client, terms, command);
    }
    log(LogLevel::info, "remote-command: " + printable(command.substr(0, 200)) + ": " + end);
    client.write_last(std::string{'\0'} + end + "\n");
    (void)client.linger_a_turn(Clock::now());
    return Next::close;
}

Program remote_command_program(const ServiceOptions& options) {
    (void)terms_of(options);
    Program program = own_program("remote-command");
    const ServiceOptions usual;
    const auto add = [&](const char* flag, const std::string& value, const std::string& by_default) {
        if (value != by_default) program.argv.insert(program.argv.end(), {flag, value});
    };
    add("--command-user", options.command_user, usual.command_user);
    add("--command-shell", options.command_shell, usual.command_shell);
    add("--command-timeout", std::to_string(options.command_timeout), std::to_string(usual.command_timeout));
    add("--command-output", std::to_string(options.command_output), std::to_string(usual.command_output));
    add("--command-memory", std::to_string(options.command_memory), std::to_string(usual.command_memory));
    return program;
}

}  // namespace

Service remote_command_service() {
    return {.name = "remote-command",
            .summary = "runs what is sent to its end (TLPI, exercise 61-5)",
            .make = [](const ServiceOptions& options) -> Handler {
                return [terms = terms_of(options)](Connection& client) { return serve(client, terms); };
            },
            .make_program = remote_command_program,
            .client_speaks_first = true};
}

}  // namespace bullpen
