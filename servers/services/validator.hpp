/// Validators tell one state of a file from another, for conditional requests (RFC 9110 8.8 and 13).
#pragma once

#include <time.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
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
/// nanoseconds, the size and the coding. The inode is left out, so that copies on several machines have the
/// same.
///
/// A file that may change once more within the second of its modification has no Last-Modified, and counts as
/// newer than every date: so each date that a client was told means one state only (RFC 9110 8.8.2.2), and
/// none is later than its Date. To judge that, `now` must be of the clock that the file system has, which
/// time(2) reads.
class Validator {
public:
    /// Of what has no state that could be told apart, such as a listing.
    Validator() noexcept : last_modified_{0} {}

    Validator(timespec modified, std::uint64_t size, std::time_t now, std::string_view coding = {}) noexcept;

    [[nodiscard]] std::string_view entity_tag() const noexcept { return {tag_.data(), tag_size_}; }

    [[nodiscard]] bool has_date() const noexcept { return has_date_; }
    [[nodiscard]] std::string_view last_modified() const noexcept {
        return has_date_ ? last_modified_.text() : std::string_view{};
    }

    /// By whole seconds: programs that copy a file's time to another often leave out the rest.
    [[nodiscard]] bool is_older_than(const Validator& other) const noexcept {
        return modified_ < other.modified_;
    }

    [[nodiscard]] Precondition evaluate(const Conditions& conditions) const noexcept;

    /// Whether a Range may be answered with a part: there is no If-Range, or it names exactly this state.
    [[nodiscard]] bool allows_range(const Conditions& conditions) const noexcept;

private:
    enum class Comparison { weak, strong };
    [[nodiscard]] bool is_in(const FieldLines& lines, Comparison comparison) const noexcept;
    [[nodiscard]] bool is_in(std::string_view tags, Comparison comparison) const noexcept;

    std::time_t modified_ = 0;
    bool has_date_ = false;
    HttpDate last_modified_;
    std::array<char, 48> tag_;  // Two quotes, two dashes, twice the 16 digits of 64 bits, and a coding.
    std::size_t tag_size_ = 0;
};

}  // namespace bullpen::http
