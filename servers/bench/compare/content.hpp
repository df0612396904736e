/// What the http service serves while it is measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <bullpen/handler.hpp>
#include "servers/bench/compare/temporary_directory.hpp"

namespace bullpen {

/// The user's directory, or a temporary one with one small file.
class Content {
public:
    /// Throws std::system_error, one sentence.
    explicit Content(int small_file_size);
    explicit Content(std::string root) : root_{std::move(root)} {}

    [[nodiscard]] const std::string& root() const noexcept { return root_; }

    /// What a client asks for, unless the user says something else.
    [[nodiscard]] std::string default_path() const;

private:
    std::optional<TemporaryDirectory> temporary_;
    std::string root_;
};

/// Asks a server of its own for the path once, to learn how large the right answer is. Throws
/// std::invalid_argument if it is not answered with 200.
std::uint64_t ask_for_size(const std::string& path, const Handler& handler);

}  // namespace bullpen
