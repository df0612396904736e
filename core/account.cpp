#include "core/account.hpp"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/parse_number.hpp"
#include "core/printable.hpp"

namespace bullpen {
namespace {

/// (uid_t)-1 and (gid_t)-1 mean "as it is" to the kernel.
constexpr id_t none = static_cast<id_t>(-1);

/// Calls a function like getpwnam_r(3) with a buffer that is large enough, which has the entry's texts.
template <typename Entry, typename Ask>
bool look_up(Entry& entry, std::vector<char>& buffer, Ask ask) {
    buffer.resize(1024);
    for (;;) {
        Entry* found = nullptr;
        const int error = ask(&entry, buffer.data(), buffer.size(), &found);
        if (error != ERANGE) return error == 0 && found != nullptr;
        buffer.resize(buffer.size() * 2);
    }
}

[[noreturn]] void reject(std::string_view text, const std::string& kind) {
    throw std::invalid_argument{"there is no " + kind + " '" + printable(text) + "'; expected a " + kind +
                                "'s name or number"};
}

}  // namespace

uid_t parse_user(std::string_view text) {
    if (const auto number = parse_number<uid_t>(text); number && *number != none) return *number;
    passwd entry{};
    std::vector<char> texts;
    const std::string name{text};
    if (!look_up(entry, texts, [&](auto... rest) { return ::getpwnam_r(name.c_str(), rest...); }))
        reject(text, "user");
    return entry.pw_uid;
}

Account parse_account(std::string_view text) {
    return parse_named_account(text);
}

NamedAccount parse_named_account(std::string_view text) {
    passwd entry{};
    std::vector<char> texts;
    const uid_t user = parse_user(text);
    if (!look_up(entry, texts, [&](auto... rest) { return ::getpwuid_r(user, rest...); }))
        reject(text, "user");
    return {{.user = user, .group = entry.pw_gid}, entry.pw_name, entry.pw_dir};
}

gid_t parse_group(std::string_view text) {
    if (const auto number = parse_number<gid_t>(text); number && *number != none) return *number;
    group entry{};
    std::vector<char> texts;
    const std::string name{text};
    if (!look_up(entry, texts, [&](auto... rest) { return ::getgrnam_r(name.c_str(), rest...); }))
        reject(text, "group");
    return entry.gr_gid;
}

}  // namespace bullpen
