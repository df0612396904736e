#include "core/resolve.hpp"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "core/name_lookup.hpp"
#include "core/parse_number.hpp"
#include "core/printable.hpp"

namespace bullpen {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view seqpacket_prefix = "seqpacket:";
constexpr std::string_view unixgram_prefix = "unixgram:";
constexpr std::string_view udp_prefix = "udp:";
constexpr std::string_view dccp_prefix = "dccp:";
constexpr std::string_view sctp_prefix = "sctp:";
constexpr std::string_view allowed_forms =
    "expected HOST:PORT, [V6]:PORT, :PORT, unix:/path, unix:@name, seqpacket:/path or sctp:HOST:PORT";

struct HostPort {
    std::string host;
    std::string port;
};

[[noreturn]] void reject(std::string_view text, std::string_view reason) {
    throw AddressError{"'" + printable(text) + "' is not an address: " + std::string{reason}};
}

/// `text` is the whole address, for what is said of it.
HostPort split(std::string_view address, std::string_view text) {
    if (address.starts_with('[')) {
        const auto bracket = address.find(']');
        if (bracket == std::string_view::npos || address.substr(bracket + 1, 1) != ":")
            reject(text, allowed_forms);
        return {std::string{address.substr(1, bracket - 1)}, std::string{address.substr(bracket + 2)}};
    }
    const auto colon = address.find(':');
    if (colon == std::string_view::npos) reject(text, allowed_forms);
    if (address.find(':', colon + 1) != std::string_view::npos)
        reject(text, "an IPv6 address stands in brackets, as in [::1]:8080");
    return {std::string{address.substr(0, colon)}, std::string{address.substr(colon + 1)}};
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// getaddrinfo(3) takes a number with blanks and a sign, and of one that is too large the low 16 bits.
void check_port(std::string_view text, std::string_view port) {
    const bool number = std::all_of(port.begin(), port.end(), is_digit);
    const bool name = (is_digit(port.front()) || is_letter(port.front())) &&
                      std::any_of(port.begin(), port.end(), is_letter);
    if (number ? !parse_number<std::uint16_t>(port) : !name)
        reject(text, "a port is a number from 0 to 65535 or a service name");
}

void check_bytes(std::string_view text) {
    const bool plain = std::all_of(text.begin(), text.end(),
                                   [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 127; });
    if (!plain) reject(text, std::string{allowed_forms} + ", without blanks and control bytes");
}

bool is_udp(std::string_view text) noexcept {
    return text.starts_with(udp_prefix);
}

bool is_sctp(std::string_view text) noexcept {
    return text.starts_with(sctp_prefix);
}

/// The host is empty in ":PORT".
HostPort parse(std::string_view text) {
    if (text.starts_with(dccp_prefix)) reject(text, "Linux has dropped DCCP (since 6.16)");
    const std::size_t prefix = is_udp(text) ? udp_prefix.size() : is_sctp(text) ? sctp_prefix.size() : 0;
    const std::string_view address = text.substr(prefix);
    HostPort parts = split(address, text);
    if ((parts.host.empty() && !address.starts_with(':')) || parts.port.empty()) reject(text, allowed_forms);
    check_bytes(text);
    check_port(text, parts.port);
    return parts;
}

/// All addresses of this machine, of each family.
LookedUp look_up_everywhere(const std::string& port, int type, std::chrono::seconds patience) {
    LookedUp found = look_up("0.0.0.0", port, type, patience);
    const LookedUp others = look_up("::", port, type, patience);
    found.addresses.insert(found.addresses.end(), others.addresses.begin(), others.addresses.end());
    return found;
}

/// Nothing if it is another kind of address.
std::optional<Address> unix_address(std::string_view text) {
    if (text.starts_with(unix_prefix)) return Address::unix_name(text.substr(unix_prefix.size()));
    if (text.starts_with(seqpacket_prefix))
        return Address::unix_name(text.substr(seqpacket_prefix.size()), SOCK_SEQPACKET);
    if (text.starts_with(unixgram_prefix))
        return Address::unix_name(text.substr(unixgram_prefix.size()), SOCK_DGRAM);
    return {};
}

}  // namespace

bool is_for_datagrams(std::string_view text) noexcept {
    return is_udp(text) || text.starts_with(unixgram_prefix);
}

void check_address(std::string_view text) {
    if (!unix_address(text)) parse(text);
}

std::vector<Address> resolve(std::string_view text, std::chrono::seconds patience) {
    if (const std::optional<Address> local = unix_address(text)) return {*local};
    const HostPort parts = parse(text);
    const int type = is_udp(text) ? SOCK_DGRAM : SOCK_STREAM;
    const LookedUp found = parts.host.empty() ? look_up_everywhere(parts.port, type, patience)
                                              : look_up(parts.host, parts.port, type, patience);
    if (found.overdue)
        throw std::runtime_error{"'" + std::string{text} + "': the name service hasn't answered within " +
                                 std::to_string(patience.count()) + " s"};
    if (found.error != 0) {
        const std::string what = found.error == EAI_SERVICE
                                     ? "the service '" + parts.port + "' is not in /etc/services"
                                     : "the host '" + parts.host + "' can't be found";
        reject(text, what + " (" + ::gai_strerror(found.error) + ")");
    }
    std::vector<Address> addresses;
    for (const Address& one : found.addresses) {
        const Address address = one.with_protocol(is_sctp(text) ? IPPROTO_SCTP : 0);
        const auto same = [&](const Address& other) { return other.text() == address.text(); };
        if (std::none_of(addresses.begin(), addresses.end(), same)) addresses.push_back(address);
    }
    return addresses;
}

std::vector<Address> resolve_stream(std::string_view text, std::chrono::seconds patience) {
    if (is_for_datagrams(text))
        throw AddressError{"'" + printable(text) +
                           "' is an address for datagrams; expected one for connections, as HOST:PORT"};
    return resolve(text, patience);
}

}  // namespace bullpen
