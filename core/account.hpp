/// Users and groups, by name or number.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace bullpen {

// They ask the name service (getpwnam_r(3)), which may wait for a network: start-up only. They throw
// std::invalid_argument, one sentence.
uid_t parse_user(std::string_view text);
gid_t parse_group(std::string_view text);

struct Account {
    uid_t user = 0;
    gid_t group = 0;  ///< Its first one.
};
/// One that the host knows, so that it has a group.
Account parse_account(std::string_view text);

struct NamedAccount : Account {
    std::string name;
    std::string home;
};
NamedAccount parse_named_account(std::string_view text);

}  // namespace bullpen
