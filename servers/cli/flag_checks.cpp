#include "servers/cli/flag_checks.hpp"

#include <fmt/ranges.h>

namespace bullpen {

CLI::Validator not_empty(const std::string& what) {
    const auto check = [what](std::string& text) {
        return text.empty() ? "expected " + what + ", got nothing" : std::string{};
    };
    return {check, ""};
}

CLI::Validator one_of(const std::vector<std::string>& words) {
    const auto check = [words, member = CLI::IsMember(words)](std::string& text) {
        if (member(text).empty()) return std::string{};
        return fmt::format("expected {}, got '{}'", fmt::join(words, " or "), text);
    };
    return {check, ""};
}

}  // namespace bullpen
