/// Checks of flags by CLI11, each with one sentence for what doesn't pass.
#pragma once

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "core/parse_number.hpp"
#include "core/printable.hpp"

namespace bullpen {

/// "expected a number from 1 to 10000, got 0". For Option::transform(): CLI11 itself takes signs, blanks, hex
/// and octal, so it gets the number as we have read it.
template <typename Number>
CLI::Validator number_from(Number least, Number most, const std::string& kind = "a number") {
    const auto check = [=](std::string& text) {
        const auto number = parse_number<Number>(text);
        if (!number || !(*number >= least && *number <= most))
            return fmt::format("expected {} from {} to {}, got {}", kind, least, most,
                               number ? text : "'" + printable(text) + "'");
        text = fmt::format("{}", *number);
        return std::string{};
    };
    return {check, ""};
}

/// "expected BYTES/MS, got nothing"
CLI::Validator not_empty(const std::string& what);

/// "expected even or poisson, got 'odd'"
CLI::Validator one_of(const std::vector<std::string>& words);

}  // namespace bullpen
