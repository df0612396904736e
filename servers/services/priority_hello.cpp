#include "servers/services/priority_hello.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "core/parse_number.hpp"

namespace bullpen {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

std::string random_proof() {
    std::array<unsigned char, proof_size / 2> bytes;
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        throw std::system_error{errno, std::generic_category(), "cannot make a cookie"};
    std::string proof;
    for (const unsigned byte : bytes) {
        proof += digits[byte >> 4U];
        proof += digits[byte & 15U];
    }
    return proof;
}

}  // namespace

std::string text_of(const PriorityHello& hello) {
    return std::to_string(hello.port) + " " + hello.server_proof + hello.client_proof + "\n";
}

std::optional<PriorityHello> parse_priority_hello(std::string_view line) {
    if (!line.ends_with('\n')) return {};
    line.remove_suffix(1);
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return {};
    const auto port = parse_number<std::uint16_t>(line.substr(0, blank));
    const std::string_view cookie = line.substr(blank + 1);
    const bool is_cookie =
        cookie.size() == 2 * proof_size && cookie.find_first_not_of(digits) == std::string_view::npos;
    if (!port || !is_cookie) return {};
    return PriorityHello{*port, std::string{cookie.substr(0, proof_size)},
                         std::string{cookie.substr(proof_size)}};
}

PriorityHello make_priority_hello(std::uint16_t port) {
    return {port, random_proof(), random_proof()};
}

bool is_proof(std::string_view said, std::string_view expected) noexcept {
    if (said.size() != expected.size()) return false;
    volatile unsigned char different = 0;
    for (std::size_t i = 0; i < said.size(); ++i)
        different = static_cast<unsigned char>(different | (said[i] ^ expected[i]));
    return different == 0;
}

}  // namespace bullpen
