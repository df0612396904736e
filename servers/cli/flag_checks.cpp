#include "servers/cli/flag_checks.hpp"

#include <fmt/ranges.h>

namespace bullpen {

CLI::Validator one_of(const std::vector<std::string>& words) {
    const auto check = [words, member = CLI::IsMember(words)](std::string& text) {
        if (member(text).empty()) return std::string{};
        return fmt::format("expected {}, got '{}'", fmt::join(words, " or "), text);
    };
    return {check, ""};
}

}  // namespace bullpen
