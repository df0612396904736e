/// Dates as HTTP writes them (RFC 9110 5.6.7).
#pragma once

#include <array>
#include <ctime>
#include <optional>
#include <string_view>

namespace bullpen::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT"
class HttpDate {
public:
    /// A time before 1970 is written as the first second of 1970, one after 9999 as the last of 9999.
    explicit HttpDate(std::time_t time) noexcept;

    [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), text_.size()}; }

private:
    std::array<char, 29> text_;
};

/// The current date, formatted at most once a second. The view is valid until this thread's next call.
std::string_view http_date_now() noexcept;

/// Reads the three forms that a server must accept: "Sun, 06 Nov 1994 08:49:37 GMT",
/// "Sunday, 06-Nov-94 08:49:37 GMT" and "Sun Nov  6 08:49:37 1994". Returns nothing for any other text.
std::optional<std::time_t> parse_http_date(std::string_view text) noexcept;

}  // namespace bullpen::http
