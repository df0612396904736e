#include "servers/services/directory_listing.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>

#include "core/http/percent_encoding.hpp"
#include "core/utf8.hpp"

namespace bullpen::http {
namespace {

constexpr std::string_view page_begin = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>)";

constexpr std::string_view page_style = R"(</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.25rem; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .3rem .5rem; text-align: left; border-bottom: 1px solid #8884; }
td { font-variant-numeric: tabular-nums; white-space: nowrap; }
td:first-child { width: 100%; white-space: normal; overflow-wrap: anywhere; }
th:nth-child(2), td:nth-child(2) { text-align: right; }
a { text-decoration: none; }
a:hover { text-decoration: underline; }
tr:hover td { background: #8882; }
@media (max-width: 35rem) { th:nth-child(3), td:nth-child(3) { display: none; } }
</style>
</head>
<body>
<h1>)";

constexpr std::string_view table_begin = R"(</h1>
<table>
<thead><tr><th>Name</th><th>Size</th><th>Modified (UTC)</th></tr></thead>
<tbody>
)";

constexpr std::string_view page_end = R"(</body>
</html>
)";

std::string escape_html(std::string_view text) {
    std::string escaped;
    escaped.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&': escaped += "&amp;"; break;
            case '<': escaped += "&lt;"; break;
            case '>': escaped += "&gt;"; break;
            case '"': escaped += "&quot;"; break;
            case '\'': escaped += "&#39;"; break;
            default: escaped += c;
        }
    }
    return escaped;
}

char lower_case(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Directories come first; within each kind names are compared without regard to case.
bool comes_before(const DirectoryEntry& a, const DirectoryEntry& b) noexcept {
    if (a.is_directory != b.is_directory) return a.is_directory;
    const auto [in_a, in_b] = std::mismatch(a.name.begin(), a.name.end(), b.name.begin(), b.name.end(),
                                            [](char x, char y) { return lower_case(x) == lower_case(y); });
    if (in_a == a.name.end() && in_b == b.name.end()) return a.name < b.name;
    if (in_a == a.name.end() || in_b == b.name.end()) return in_a == a.name.end();
    return static_cast<unsigned char>(lower_case(*in_a)) < static_cast<unsigned char>(lower_case(*in_b));
}

/// "2026-11-21 09:23"
std::string date_text(std::time_t time) {
    using namespace std::chrono;
    constexpr std::time_t last_writable = 253'402'300'799;  // The end of the year 9999.
    const sys_seconds second{seconds{std::clamp(time, std::time_t{0}, last_writable)}};
    const auto day = floor<days>(second);
    const year_month_day date{day};
    const auto minutes_of_day = static_cast<unsigned>(floor<minutes>(second - day).count());
    std::array<char, 64> text;
    const int size =
        std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02u:%02u", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      minutes_of_day / 60, minutes_of_day % 60);
    return {text.data(), static_cast<std::size_t>(size)};
}

void append_row(std::string& page, const DirectoryEntry& entry) {
    const std::string_view slash = entry.is_directory ? "/" : "";
    // An encoded name can't be taken for "javascript:…" or "//host".
    page += "<tr><td><a href=\"";
    page += percent_encode(entry.name);
    page += slash;
    page += "\">";
    page += escape_html(to_utf8(entry.name));
    page += slash;
    page += "</a></td><td>";
    if (!entry.is_directory) page += readable_size(entry.size);
    page += "</td><td>";
    page += date_text(entry.modified);
    page += "</td></tr>\n";
}

}  // namespace

std::string directory_page(std::string_view path, DirectoryEntries found) {
    std::sort(found.entries.begin(), found.entries.end(), comes_before);
    const std::string title = "Index of /" + escape_html(to_utf8(path));
    std::string page;
    constexpr std::size_t row_size = 160;
    page.reserve(page_begin.size() + page_style.size() + 1024 + found.entries.size() * row_size);
    page.append(page_begin).append(title).append(page_style).append(title).append(table_begin);
    if (!path.empty()) page += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
    for (const DirectoryEntry& entry : found.entries)
        append_row(page, entry);
    page += "</tbody>\n</table>\n";
    if (!found.complete) page += "<p>There are more entries than are shown here.</p>\n";
    page += page_end;
    return page;
}

std::string readable_size(std::uint64_t bytes) {
    constexpr std::array<const char*, 7> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto size = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; size >= 1023.5 && unit + 1 < units.size(); ++unit)
        size /= 1024;
    std::array<char, 32> text;
    const int length = std::snprintf(text.data(), text.size(),
                                     unit > 0 && size < 9.95 ? "%.1f %s" : "%.0f %s", size, units[unit]);
    return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace bullpen::http
