/// Which users' processes get in at a UNIX listener.
#pragma once

#include <sys/types.h>

#include <vector>

namespace bullpen {

/// By the credentials of the process that has connected, as of its connect(2) (SO_PEERCRED and SO_PEERGROUPS,
/// unix(7)): who it was then, even if it has handed its socket on.
class LocalLists {
public:
    LocalLists() = default;
    LocalLists(std::vector<uid_t> users, std::vector<gid_t> groups) noexcept;

    /// Whether there is a list, so that somebody may be refused.
    [[nodiscard]] bool restrict() const noexcept { return !users_.empty() || !groups_.empty(); }

    /// Whether the peer of this connected socket is one of the users, or in one of the groups (its own or a
    /// supplementary one). Doesn't block.
    [[nodiscard]] bool admit(int socket) const noexcept;

private:
    std::vector<uid_t> users_;
    std::vector<gid_t> groups_;
};

}  // namespace bullpen
