/// Whom a process runs as, where the server may change that.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

struct RunAs {
    uid_t user = 0;
    std::vector<gid_t> groups = {0};  ///< The first one is the process's own.
    std::string home = {};
};

/// A user that the host knows, with all groups that he is in; the first one is `group`, or his own if that is
/// empty. Both by name or number. Asks the name service, which may wait for a network: start-up only. Throws
/// std::invalid_argument, one sentence.
RunAs parse_run_as(std::string_view user, std::string_view group);

/// Whether this process has that user and these groups already, so that become() changes nothing.
[[nodiscard]] bool is_already(const RunAs& who) noexcept;

/// Gives this process that user and these groups for good: real, effective and saved (setresuid(2)). Throws
/// std::system_error if it may not.
void become(const RunAs& who);

}  // namespace bullpen
