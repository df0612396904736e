/// How a worker starts a program for a client, or with a listening socket.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bullpen/program.hpp>

namespace bullpen {

/// What a program finds besides its arguments.
struct ProgramSetting {
    std::string path = {};                    ///< The file that is executed; empty: argv[0].
    std::vector<std::string> variables = {};  ///< Its environment, "NAME=value".
    bool listen_fds = false;  ///< The socket is descriptor 3, as under systemd (sd_listen_fds(3)); else it is
                              ///< the standard input, output and error, as under inetd (UNP 13.5).
};

/// The variables that tell who the client of a connected socket is: PROTO (TCP, UNIX), and of a TCP client
/// REMOTE_HOST and REMOTE_ADDR (both its number), REMOTE_PORT, TCPREMOTEIP, TCPREMOTEPORT, TCPLOCALIP and
/// TCPLOCALPORT, as tcpserver and systemd call them.
[[nodiscard]] std::vector<std::string> variables_of_client(int socket);

/// All that can be done before a client comes is done when it is made. The process that calls start() waits
/// until the program has been executed (vfork(2)): nothing of it is copied. Of its descriptors a program gets
/// the socket and, with listen_fds, the standard error; no other. All signals have their default actions.
/// Programs lead sessions of their own, and are killed if the process that has started them ends.
class ProgramStarter {
public:
    ProgramStarter(const Program& program, ProgramSetting setting);

    /// Starts it with the socket (borrowed, made blocking) and these variables besides. Returns its pid, or
    /// nothing (errno set). The caller has one thread and waits for the program.
    [[nodiscard]] std::optional<pid_t> start(int socket, std::span<std::string> of_client = {});

private:
    [[noreturn]] void become(int socket, char* const* environment) noexcept;
    void arrange_descriptors(int socket) const noexcept;

    Program program_;
    ProgramSetting setting_;  ///< With its path.
    std::vector<char*> arguments_;
    std::vector<int> changed_signals_;  ///< Those that have no default action in this process.
    std::string pid_variable_;          ///< LISTEN_PID, written by the child.
    volatile int failure_ = 0;          ///< The child's errno: it shares this memory.
};

}  // namespace bullpen
