#include "core/ip_address_hash.hpp"

#include <cstring>
#include <random>

namespace bullpen {

IpAddressHash::IpAddressHash() {
    std::random_device random;
    std::uniform_int_distribution<std::uint64_t> any;
    for (std::uint64_t& key : keys_)
        key = any(random);
}

std::size_t IpAddressHash::operator()(const IpAddress& address) const noexcept {
    std::array<std::uint32_t, 4> words;
    std::memcpy(words.data(), address.bytes().data(), sizeof words);
    std::uint64_t sum = keys_[words.size()];
    for (std::size_t i = 0; i < words.size(); ++i)
        sum += keys_[i] * words[i];
    return sum >> 32;
}

}  // namespace bullpen
