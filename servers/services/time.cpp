/// time: the seconds since 1900 as four bytes (RFC 868).
#include <cstdint>
#include <ctime>

#include "servers/services/short_answer.hpp"

namespace bullpen {
namespace {

constexpr std::uint64_t from_1900_to_1970 = 2'208'988'800;

/// In network byte order. It begins again at 0 on 2036-02-07, as the RFC has it.
std::string seconds_since_1900() {
    const auto seconds =
        static_cast<std::uint32_t>(static_cast<std::uint64_t>(std::time(nullptr)) + from_1900_to_1970);
    std::string bytes;
    for (const unsigned shift : {24U, 16U, 8U, 0U})
        bytes += static_cast<char>(seconds >> shift & 0xffU);
    return bytes;
}

}  // namespace

Service time_service() {
    return short_answer_service("time", "the seconds since 1900, four bytes (RFC 868)", seconds_since_1900);
}

}  // namespace bullpen
