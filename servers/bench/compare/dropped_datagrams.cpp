#include "servers/bench/compare/dropped_datagrams.hpp"

#include <sstream>
#include <string>
#include <vector>

#include "core/parse_number.hpp"
#include "core/read_file.hpp"

namespace bullpen {
namespace {

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream stream{line};
    std::vector<std::string> words;
    for (std::string word; stream >> word;)
        words.push_back(word);
    return words;
}

/// Of "0100007F:1B58".
bool has_port(std::string_view address, std::uint16_t port) noexcept {
    const std::size_t colon = address.find(':');
    constexpr int hexadecimal = 16;
    return colon != std::string_view::npos &&
           parse_number<std::uint16_t>(address.substr(colon + 1), hexadecimal) == port;
}

}  // namespace

std::int64_t datagrams_dropped_at(std::uint16_t port) {
    std::error_code none;
    return parse_dropped(read_file("/proc/net/udp", none), port);
}

std::int64_t parse_dropped(std::string_view proc_net_udp, std::uint16_t port) {
    constexpr std::size_t local_address = 1;
    constexpr std::size_t columns = 13;
    std::int64_t dropped = 0;
    std::istringstream lines{std::string{proc_net_udp}};
    for (std::string line; std::getline(lines, line);) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() == columns && has_port(words[local_address], port))
            dropped += parse_number<std::int64_t>(words.back()).value_or(0);
    }
    return dropped;
}

}  // namespace bullpen
