#include "servers/inetd/inetd_address.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include <bullpen/ip_address.hpp>
#include "servers/inetd/inetd_word.hpp"

namespace bullpen {
namespace {

constexpr std::string_view expected =
    "; expected *, an IP address or a host's name (several with commas), then ':' and the service";

/// With or without a zone: fe80::1%eth0.
bool is_ip_v6(std::string_view text) {
    const std::string_view number = text.substr(0, text.find('%'));
    return number.find(':') != std::string_view::npos && IpAddress::parse(number);
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Without a letter it would be a number that is no address: 10.0.0.256.
bool is_host_name(std::string_view text) {
    constexpr std::size_t size_max = 253;
    return text.size() <= size_max && std::any_of(text.begin(), text.end(), is_letter) &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
           });
}

std::string address_of(std::string_view text) {
    const bool has_brackets = text.size() >= 2 && text.front() == '[' && text.back() == ']';
    const std::string_view address = has_brackets ? text.substr(1, text.size() - 2) : text;
    if (is_ip_v6(address) || (!has_brackets && (text == "*" || IpAddress::parse(text) || is_host_name(text))))
        return std::string{address};
    throw std::invalid_argument{quoted(text) + " is not an address" + std::string{expected}};
}

InetdAddresses addresses_of(std::string_view list) {
    InetdAddresses addresses;
    for (;;) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string address = address_of(list.substr(0, comma));
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
            addresses.push_back(address);
        if (addresses.size() > inetd_addresses_max)
            throw std::invalid_argument{"a service has more than " + std::to_string(inetd_addresses_max) +
                                        " addresses; expected fewer, or *"};
        if (comma == list.size()) break;
        list.remove_prefix(comma + 1);
    }
    if (std::find(addresses.begin(), addresses.end(), "*") != addresses.end()) return {};
    return addresses;
}

}  // namespace

InetdAddressedService split_addresses(std::string_view word) {
    const std::size_t before_path = word.find(":/");
    const std::size_t colon = before_path != std::string_view::npos ? before_path : word.rfind(':');
    if (word.starts_with('/') || colon == std::string_view::npos)
        return {.addresses = {}, .service = std::string{word}};
    return {.addresses = addresses_of(word.substr(0, colon)), .service = std::string{word.substr(colon + 1)}};
}

}  // namespace bullpen
