#include "servers/inetd/inetd_field.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "core/parse_number.hpp"
#include "servers/inetd/inetd_address.hpp"
#include "servers/inetd/inetd_protocol.hpp"
#include "servers/inetd/inetd_word.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

/// The row called `name`.
template <typename Row>
const Row& choose_row(std::string_view name, std::string_view kind, std::span<const Row> rows) {
    std::vector<std::string_view> names;
    for (const Row& row : rows) {
        if (row.name == name) return row;
        names.push_back(row.name);
    }
    throw std::invalid_argument{not_one_of(name, kind, names)};
}

void reject(std::string_view word, std::string_view reason) {
    throw std::invalid_argument{quoted(word) + std::string{reason}};
}

std::string read_service(std::string_view word, InetdEntry& entry) {
    InetdAddressedService service = split_addresses(word);
    if (service.service.starts_with("tcpmux/"))
        reject(service.service,
               " is a TCPMUX service, which is not supported; expected a service with a port of its own");
    if (service.service.empty())
        reject(word, " names no service after its ':'; expected a name from /etc/services, a port or a path");
    if (service.addresses) entry.addresses = std::move(*service.addresses);
    entry.service = std::move(service.service);
    return {};
}

std::string read_socket(std::string_view word, InetdEntry& entry) {
    if (word == "raw" || word == "rdm")
        reject(word, " sockets are not supported; expected stream, dgram or seqpacket");
    entry.socket = choose_row(word, "a socket type", inetd_sockets()).socket;
    return {};
}

/// "rcvbuf=64k,sndbuf=1m"
bool are_buffer_sizes(std::string_view text) {
    for (;;) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view size = text.substr(0, comma);
        if (!size.starts_with("rcvbuf=") && !size.starts_with("sndbuf=")) return false;
        if (comma == text.size()) return true;
        text.remove_prefix(comma + 1);
    }
}

std::string read_protocol(std::string_view word, InetdEntry& entry) {
    if (word.starts_with("rpc/"))
        reject(word,
               " is for Sun RPC, which is not supported; expected tcp, udp, one of these with 4, 6 or 46, or "
               "unix");
    const std::size_t comma = std::min(word.find(','), word.size());
    entry.protocol = choose_row(word.substr(0, comma), "a protocol", inetd_protocols()).protocol;
    if (comma == word.size()) return {};
    const std::string_view sizes = word.substr(comma + 1);
    if (!are_buffer_sizes(sizes))
        reject(sizes, " is not a buffer's size; expected rcvbuf=SIZE or sndbuf=SIZE");
    return quoted(sizes) + " is ignored: the kernel chooses the sizes of buffers";
}

int read_limit(std::string_view text, std::string_view word) {
    constexpr int limit_max = 1'000'000;
    const auto limit = parse_number<int>(text);
    if (!limit || *limit < 0 || *limit > limit_max)
        reject(word,
               " has a limit that is not a number from 0 (none) to 1000000; expected wait or nowait, "
               "with .MAX (starts a minute) or .MAX:PER_SOURCE after it");
    return *limit;
}

std::string read_wait(std::string_view word, InetdEntry& entry) {
    const std::size_t end = std::min(word.find_first_of(".:/"), word.size());
    const std::string_view name = word.substr(0, end);
    if (name != "wait" && name != "nowait")
        throw std::invalid_argument{not_one_of(name, "wait or nowait", {"wait", "nowait"})};
    entry.waits = name == "wait";
    if (end == word.size()) return {};
    if (word[end] == '/')
        reject(word,
               " has '/', which limits processes in FreeBSD; expected .MAX (starts a minute) or "
               ".MAX:PER_SOURCE");
    const std::string_view limits = word.substr(end + 1);
    const std::size_t colon = std::min(limits.find(':'), limits.size());
    entry.max_a_minute = read_limit(limits.substr(0, colon), word);
    if (colon < limits.size()) entry.max_per_source = read_limit(limits.substr(colon + 1), word);
    return {};
}

std::string read_user(std::string_view word, InetdEntry& entry) {
    const std::size_t slash = std::min(word.find('/'), word.size());
    const std::string_view name = word.substr(0, slash);
    const char separator = name.find(':') != std::string_view::npos ? ':' : '.';
    const std::size_t end = std::min(name.find(separator), name.size());
    if (end == 0 || end + 1 == name.size())
        reject(word, std::string{" has no name of a "} + (end == 0 ? "user" : "group") +
                         "; expected USER or USER:GROUP");
    entry.user = name.substr(0, end);
    entry.group = end < name.size() ? name.substr(end + 1) : std::string_view{};
    if (slash == word.size()) return {};
    return "the class " + quoted(word.substr(slash + 1)) + " is ignored: Linux has no login classes";
}

std::string read_program(std::string_view word, InetdEntry& entry) {
    constexpr std::string_view internal = "internal";
    constexpr std::size_t mistyped_max = 2;
    if (word == internal) {
        entry.internal = true;
        entry.waits = false;  // There is no program that could.
        return {};
    }
    if (!word.starts_with('/')) {
        const bool is_near =
            word.size() < 2 * internal.size() && edit_distance(word, internal) <= mistyped_max;
        reject(word, std::string{" is not a program; expected its path from / on, or internal"} +
                         (is_near ? " (did you mean internal?)" : ""));
    }
    if (word.ends_with('/')) reject(word, " is a directory's path; expected a program's, or internal");
    entry.program = word;
    return {};
}

constexpr InetdField fields[] = {
    {"service", "a name from /etc/services, a port or a path", read_service},
    {"socket type", "stream, dgram or seqpacket", read_socket},
    {"protocol", "tcp, udp, one of these with 4, 6 or 46, or unix", read_protocol},
    {"wait", "wait or nowait, with or without .MAX or .MAX:PER_SOURCE", read_wait},
    {"user", "USER or USER:GROUP", read_user},
    {"program", "its path from / on, or internal", read_program},
};

}  // namespace

std::span<const InetdField> inetd_fields() {
    return fields;
}

}  // namespace bullpen
