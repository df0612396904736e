#include <bullpen/network.hpp>

#include <optional>
#include <stdexcept>

#include "core/parse_number.hpp"

namespace bullpen {
namespace {

[[noreturn]] void reject(std::string_view text, const std::string& reason) {
    throw std::invalid_argument{"'" + std::string{text} + "' is not a network: " + reason};
}

/// -1 if it is no number.
int to_prefix(std::string_view digits) noexcept {
    return parse_number<int>(digits).value_or(-1);
}

}  // namespace

Network Network::parse(std::string_view text) {
    const auto slash = text.find('/');
    const std::string_view written = text.substr(0, slash);
    const std::optional<IpAddress> address = IpAddress::parse(written);
    if (!address)
        reject(text, "expected an address or ADDRESS/PREFIX, as in 10.0.0.0/8, 2001:db8::/32 or ::1");
    if (slash == std::string_view::npos) return {*address, address->prefix_max()};

    const bool mapped = address->is_v4() && written.find(':') != std::string_view::npos;
    const int least = mapped ? 96 : 0;
    const int most = mapped ? 128 : address->prefix_max();
    const int prefix = to_prefix(text.substr(slash + 1));
    if (prefix < least || prefix > most)
        reject(text, std::string{"expected a prefix from "} + std::to_string(least) + " to " +
                         std::to_string(most) + " after the slash");
    const Network network{address->truncated(prefix - least), prefix - least};
    if (network.address() != *address)
        reject(text, "bits beyond its prefix are set; expected " + network.text() + " or " + address->text());
    return network;
}

bool Network::contains(const IpAddress& address) const noexcept {
    return address.truncated(prefix_) == address_;  // Truncated, each is still of its own family.
}

std::string Network::text() const {
    return address_.text() + "/" + std::to_string(prefix_);
}

}  // namespace bullpen
