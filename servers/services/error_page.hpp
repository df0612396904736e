/// An error page: the file that is the body of answers with a status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bullpen::http {

struct ErrorPage {
    static constexpr std::size_t size_max = std::size_t{1024} * 1024;

    std::uint16_t code = 0;
    std::string file{};  ///< Relative to the root.

    /// Reads "CODE=FILE", with or without a slash before the file. Throws std::invalid_argument: one
    /// sentence.
    static ErrorPage parse(std::string_view text);
    [[nodiscard]] std::string text() const { return std::to_string(code) + "=" + file; }
};

/// A path below the root as a user gives it: without the slashes at its beginning.
std::string below_root(std::string_view path);

}  // namespace bullpen::http
