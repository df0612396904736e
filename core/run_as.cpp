#include "core/run_as.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include "core/account.hpp"

namespace bullpen {
namespace {

/// All of them, `first` at the begin.
std::vector<gid_t> groups_of(const std::string& name, gid_t first) {
    int count = 32;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    while (::getgrouplist(name.c_str(), first, groups.data(), &count) < 0)
        groups.resize(static_cast<std::size_t>(count));
    groups.resize(static_cast<std::size_t>(count));
    std::stable_partition(groups.begin(), groups.end(), [first](gid_t group) { return group == first; });
    return groups;
}

[[noreturn]] void fail(const RunAs& who) {
    throw std::system_error{errno, std::generic_category(), "cannot run as user " + std::to_string(who.user)};
}

}  // namespace

RunAs parse_run_as(std::string_view user, std::string_view group) {
    const NamedAccount account = parse_named_account(user);
    const gid_t first = group.empty() ? account.group : parse_group(group);
    return {.user = account.user, .groups = groups_of(account.name, first), .home = account.home};
}

bool is_already(const RunAs& who) noexcept {
    return ::getuid() == who.user && ::geteuid() == who.user && ::getegid() == who.groups.front();
}

void become(const RunAs& who) {
    if (is_already(who)) return;
    const gid_t group = who.groups.front();
    if (::setgroups(who.groups.size(), who.groups.data()) != 0 || ::setresgid(group, group, group) != 0 ||
        ::setresuid(who.user, who.user, who.user) != 0)
        fail(who);
}

}  // namespace bullpen
