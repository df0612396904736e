/// The control socket of a server: where it lies, how a server opens it, how it is asked.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <bullpen/unique_fd.hpp>
#include "core/listener.hpp"
#include "pool/inheritance.hpp"

namespace bullpen {

/// "auto" is /run/bullpen for root, else $XDG_RUNTIME_DIR/bullpen; a path is that directory itself. The file
/// in it is NAME.sock. Nothing if "auto" has no directory, because $XDG_RUNTIME_DIR isn't set. Throws
/// std::invalid_argument if the name can't be that of a file, or makes the path too long for a socket.
std::optional<Address> control_address(const std::string& setting, const std::string& name);

/// Opens the socket, 0600 in a directory that is made 0700 if it isn't there, and takes over the file of a
/// dead server or of one that is stopping. Throws std::invalid_argument if a server of that name is running,
/// the name can't be a file's, or the directory is one that others may write to; else std::system_error.
/// One that is inherited is taken over as it is. Nothing if the setting is "off", or if it is "auto" and the
/// socket can't be had, which is logged: nobody has asked for it.
std::optional<Listener> open_control(const std::string& setting, const std::string& name,
                                     Inheritance& inheritance);

/// A connection to the control socket of a running server.
class ControlClient {
public:
    /// Throws std::system_error if there is no server, and std::invalid_argument if it is another user's.
    explicit ControlClient(const Address& address);

    /// The server's keeper, as its status says it: for wait_for_end().
    void note_keeper(pid_t pid) noexcept;

    /// Sends a command and returns the answer's line. Throws std::runtime_error: one sentence.
    [[nodiscard]] std::string ask(std::string_view command, bool now, std::chrono::milliseconds timeout);

    /// The descriptor that came with the answer, if one did.
    [[nodiscard]] UniqueFd take_attachment() noexcept { return std::move(attachment_); }

    /// Waits until the server's keeper has ended. Returns false if it hasn't in time.
    [[nodiscard]] bool wait_for_end(std::chrono::milliseconds timeout) const noexcept;

private:
    UniqueFd socket_;
    UniqueFd attachment_{};
    UniqueFd process_;  ///< A pidfd.
};

}  // namespace bullpen
