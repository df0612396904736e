#include "servers/cli/command_trailer.hpp"

#include <cstddef>

#include "core/parse_number.hpp"

namespace bullpen {
namespace {

constexpr std::size_t trailer_most = 64;

}  // namespace

std::string CommandTrailer::pass(std::string_view piece) {
    kept_ += piece;
    const std::size_t nul = kept_.rfind('\0');
    const bool none = nul == std::string::npos || kept_.size() - nul > trailer_most;
    std::string sure = kept_.substr(0, none ? kept_.size() : nul);
    kept_.erase(0, sure.size());
    return sure;
}

std::string CommandTrailer::text() const {
    if (!kept_.starts_with('\0') || !kept_.ends_with('\n')) return {};
    std::string line = kept_.substr(1, kept_.size() - 2);
    return exit_status_of_trailer(line) >= 0 ? line : "";
}

int exit_status_of_trailer(std::string_view text) noexcept {
    constexpr int by_signal = 128;
    constexpr int by_limit = 124;
    const std::size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    const std::string_view value = blank == std::string_view::npos ? "" : text.substr(blank + 1);
    if (word == "limit" && !value.empty()) return by_limit;
    const int number = parse_number<int>(value).value_or(-1);
    if (word == "exit" && number >= 0 && number <= 255) return number;
    if (word == "signal" && number > 0 && number < by_signal) return by_signal + number;
    return -1;
}

}  // namespace bullpen
