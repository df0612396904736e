/// The lock under which one server at a time puts a UNIX socket in its place.
#pragma once

#include <chrono>
#include <string>

#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// A lock on the file "PATH.lock", which is there only while the lock is held. Nobody but this user (and
/// root) can open that file, so nobody else can hold it: another user's file of that name is an error, not a
/// wait.
class SocketLock {
public:
    /// Waits for up to `patience`, while another server of this user holds it. Throws std::system_error, one
    /// sentence, or StoppedAtStart.
    SocketLock(const std::string& socket_path, std::chrono::milliseconds patience);
    ~SocketLock();
    SocketLock(const SocketLock&) = delete;
    SocketLock& operator=(const SocketLock&) = delete;

private:
    [[nodiscard]] bool try_to_take();
    [[nodiscard]] std::string complaint() const;

    std::string socket_;
    std::string path_;
    UniqueFd file_;  ///< Locked.
};

}  // namespace bullpen
