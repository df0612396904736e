/// Validators tell one state of a file from another, for conditional requests (RFC 9110 8.8 and 13).
#pragma once

#include <time.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "core/http/conditions.hpp"
#include "core/http/http_date.hpp"

namespace bullpen::http {

enum class Precondition {
    proceed,
    not_modified,  ///< The client has this state already: answer 304.
    failed,        ///< The client asked for another state: answer 412.
};

/// The ETag and the Last-Modified of a file. The ETag is strong and made of the modification time in
/// nanoseconds and the size. The inode is left out, so that copies on several machines have the same.
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
