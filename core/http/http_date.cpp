#include "core/http/http_date.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>

#include "core/parse_number.hpp"

namespace bullpen::http {
namespace {

using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr std::string_view day_names = "SunMonTueWedThuFriSat";
constexpr std::string_view month_names = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::time_t last_writable = 253'402'300'799;  // 9999-12-31 23:59:59

void put_digits(char* into, unsigned value, std::size_t width) noexcept {
    for (; width > 0; value /= 10)
        into[--width] = static_cast<char>('0' + value % 10);
}

void put_name(char* into, std::string_view names, unsigned index) noexcept {
    std::memcpy(into, names.data() + std::size_t{index} * 3, 3);
}

/// Reads the parts of a date from left to right; after the first part that doesn't fit, all reads fail.
class DateReader {
public:
    explicit DateReader(std::string_view text) noexcept : rest_{text} {}

    void skip(std::string_view expected) noexcept {
        ok_ = ok_ && rest_.starts_with(expected);
        if (ok_) rest_.remove_prefix(expected.size());
    }

    void skip_past(char separator) noexcept {
        const std::size_t position = rest_.find(separator);
        ok_ = ok_ && position != std::string_view::npos;
        if (ok_) rest_.remove_prefix(position + 1);
    }

    unsigned number(std::size_t width) noexcept {
        const auto value = parse_number<unsigned>(rest_.substr(0, width));
        ok_ = ok_ && rest_.size() >= width && value;
        if (ok_) rest_.remove_prefix(width);
        return value.value_or(0);
    }

    /// The day of the month as asctime writes it: padded with a blank.
    unsigned padded_number() noexcept {
        if (!rest_.starts_with(' ')) return number(2);
        rest_.remove_prefix(1);
        return number(1);
    }

    unsigned month() noexcept {
        const std::size_t position = month_names.find(rest_.substr(0, 3));
        ok_ = ok_ && rest_.size() >= 3 && position != std::string_view::npos && position % 3 == 0;
        if (!ok_) return 0;
        rest_.remove_prefix(3);
        return static_cast<unsigned>(position / 3) + 1;
    }

    std::chrono::seconds time_of_day() noexcept {
        const unsigned hour = number(2);
        skip(":");
        const unsigned minute = number(2);
        skip(":");
        const unsigned second = number(2);
        ok_ = ok_ && hour < 24 && minute < 60 && second <= 60;
        return std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second};
    }

    [[nodiscard]] bool read_all() const noexcept { return ok_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool ok_ = true;
};

/// The year that two digits mean: of this century, unless this is more than 50 years in the future (RFC 9110
/// 5.6.7).
unsigned full_year(unsigned two_digits) noexcept {
    using namespace std::chrono;
    const year_month_day today{floor<days>(system_clock::now())};
    const auto this_year = static_cast<unsigned>(static_cast<int>(today.year()));
    const unsigned year = this_year / 100 * 100 + two_digits;
    return year > this_year + 50 ? year - 100 : year;
}

}  // namespace

HttpDate::HttpDate(std::time_t time) noexcept {
    using namespace std::chrono;
    const sys_seconds second{seconds{std::clamp(time, std::time_t{0}, last_writable)}};
    const auto day = floor<days>(second);
    const year_month_day date{day};
    const auto since_midnight = static_cast<unsigned>((second - day).count());
    std::memcpy(text_.data(), "Day, 00 Mon 0000 00:00:00 GMT", text_.size());
    put_name(&text_[0], day_names, weekday{day}.c_encoding());
    put_digits(&text_[5], static_cast<unsigned>(date.day()), 2);
    put_name(&text_[8], month_names, static_cast<unsigned>(date.month()) - 1);
    put_digits(&text_[12], static_cast<unsigned>(static_cast<int>(date.year())), 4);
    put_digits(&text_[17], since_midnight / 3600, 2);
    put_digits(&text_[20], since_midnight / 60 % 60, 2);
    put_digits(&text_[23], since_midnight % 60, 2);
}

std::string_view http_date_now() noexcept {
    thread_local std::time_t written_at = 0;
    thread_local HttpDate date{0};
    const std::time_t now = std::time(nullptr);
    if (now != written_at) {
        date = HttpDate{now};
        written_at = now;
    }
    return date.text();
}

std::optional<std::time_t> parse_http_date(std::string_view text) noexcept {
    DateReader reader{text};
    unsigned year = 0;
    unsigned month = 0;
    unsigned day = 0;
    std::chrono::seconds time_of_day{};
    const std::size_t comma = text.find(',');
    if (comma == std::string_view::npos) {  // Sun Nov  6 08:49:37 1994
        reader.skip_past(' ');
        month = reader.month();
        reader.skip(" ");
        day = reader.padded_number();
        reader.skip(" ");
        time_of_day = reader.time_of_day();
        reader.skip(" ");
        year = reader.number(4);
    } else {
        const bool short_day_name = comma == 3;
        const std::string_view separator = short_day_name ? " " : "-";
        reader.skip_past(',');
        reader.skip(" ");
        day = reader.number(2);
        reader.skip(separator);
        month = reader.month();
        reader.skip(separator);
        year = short_day_name ? reader.number(4) : full_year(reader.number(2));
        reader.skip(" ");
        time_of_day = reader.time_of_day();
        reader.skip(" GMT");
    }
    using namespace std::chrono;
    const year_month_day date{std::chrono::year{static_cast<int>(year)}, std::chrono::month{month},
                              std::chrono::day{day}};
    if (!reader.read_all() || !date.ok()) return {};
    return sys_seconds{sys_days{date} + time_of_day}.time_since_epoch().count();
}

}  // namespace bullpen::http
