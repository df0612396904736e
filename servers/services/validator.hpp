/// What tells one state of a file from another, and the requests that ask about it (RFC 9110 8.8 and 13).
#pragma once

#include <time.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "servers/services/http_date.hpp"

namespace bullpen::http {

/// A request's conditional headers; empty where it has none. Views of its head.
struct Conditions {
    std::string_view if_match{};
    std::string_view if_none_match{};
    std::string_view if_modified_since{};
    std::string_view if_unmodified_since{};
    std::string_view if_range{};
};

enum class Precondition {
    proceed,
    not_modified,  ///< The client has this state already: 304.
    failed,        ///< The client wants another state than this: 412.
};

/// The ETag (strong: the time of modification in nanoseconds and the size) and the Last-Modified of a file.
/// The inode is left out, so that copies on several machines agree.
class Validator {
public:
    Validator(timespec modified, std::uint64_t size) noexcept;

    [[nodiscard]] std::string_view entity_tag() const noexcept { return {tag_.data(), tag_size_}; }
    [[nodiscard]] std::string_view last_modified() const noexcept { return last_modified_.text(); }

    [[nodiscard]] Precondition evaluate(const Conditions& conditions) const noexcept;

    /// Whether a Range may be answered with a part: there is no If-Range, or it names exactly this state.
    [[nodiscard]] bool allows_range(const Conditions& conditions) const noexcept;

private:
    enum class Comparison { weak, strong };
    [[nodiscard]] bool is_in(std::string_view tags, Comparison comparison) const noexcept;

    std::time_t modified_;
    HttpDate last_modified_;
    std::array<char, 36> tag_;  // Two quotes, a dash, and twice the 16 digits of 64 bits.
    std::size_t tag_size_;
};

}  // namespace bullpen::http
