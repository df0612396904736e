/// Checks of flags by CLI11, each with one sentence for what doesn't pass.
#pragma once

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace bullpen {

/// "expected a number from 1 to 10000, got 0"
template <typename Number>
CLI::Validator number_from(Number least, Number most, const std::string& kind = "a number") {
    const auto check = [=, range = CLI::Range(least, most)](std::string& text) {
        const bool finite = text.find_first_of("nN") == std::string::npos;  // CLI::Range takes nan.
        if (finite && range(text).empty()) return std::string{};
        return fmt::format("expected {} from {} to {}, got {}", kind, least, most, text);
    };
    return {check, ""};
}

/// "expected even or poisson, got 'odd'"
CLI::Validator one_of(const std::vector<std::string>& words);

}  // namespace bullpen
