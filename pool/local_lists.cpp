#include "pool/local_lists.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

namespace bullpen {
namespace {

template <typename Id>
bool has(const std::vector<Id>& list, Id id) noexcept {
    return std::find(list.begin(), list.end(), id) != list.end();
}

}  // namespace

LocalLists::LocalLists(std::vector<uid_t> users, std::vector<gid_t> groups) noexcept
    : users_{std::move(users)}, groups_{std::move(groups)} {}

bool LocalLists::admit(int socket) const noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    if (has(users_, peer.uid) || has(groups_, peer.gid)) return true;
    if (groups_.empty()) return false;
    std::array<gid_t, 65'536> others;  // NGROUPS_MAX: no process has more. Only what is there is touched.
    size = sizeof others;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, others.data(), &size) != 0) return false;
    return std::any_of(others.begin(), others.begin() + size / sizeof(gid_t),
                       [this](gid_t group) { return has(groups_, group); });
}

}  // namespace bullpen
