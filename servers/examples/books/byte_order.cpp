/// The byte order of this machine, and htonl's family without any of its functions.
/// Source: APUE 16.3.2, an exercise of chapter 16; UNP 3.4.
#include <arpa/inet.h>
#include <endian.h>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "expect.hpp"

namespace {

template <std::unsigned_integral Number>
constexpr Number swapped(Number number) noexcept {
    auto bytes = std::bit_cast<std::array<std::byte, sizeof number>>(number);
    for (std::size_t i = 0; i < bytes.size() / 2; ++i)
        std::swap(bytes[i], bytes[bytes.size() - 1 - i]);
    return std::bit_cast<Number>(bytes);
}

/// Both ways: the network's order is big-endian.
template <std::unsigned_integral Number>
constexpr Number to_network(Number number) noexcept {
    return std::endian::native == std::endian::big ? number : swapped(number);
}

static_assert(swapped(std::uint16_t{0x0102}) == 0x0201);
static_assert(swapped(std::uint32_t{0x01020304}) == 0x04030201);

}  // namespace

int main() {
    constexpr bool is_big = std::endian::native == std::endian::big;
    constexpr bool is_little = std::endian::native == std::endian::little;
    std::cout << "     this machine is " << (is_big ? "big" : is_little ? "little" : "mixed") << "-endian\n";
    const std::uint32_t number = 0x01020304;
    const auto first = *reinterpret_cast<const unsigned char*>(&number);
    expect(first == (is_big ? 1 : 4), "std::endian says what the first byte of a number says");
    expect(to_network(std::uint16_t{0x0102}) == htons(0x0102), "htons");
    expect(to_network(number) == htonl(number), "htonl");
    expect(to_network(htons(0x0102)) == 0x0102, "ntohs");
    expect(to_network(htonl(number)) == number, "ntohl");
    expect(to_network(std::uint64_t{0x0102030405060708}) == htobe64(0x0102030405060708), "htobe64");
    return outcome();
}
