#include <strings.h>

#include <algorithm>

#include <bullpen/http_handler.hpp>

namespace bullpen {
namespace {

using Field = std::pair<std::string_view, std::string_view>;

std::string_view without_blanks(std::string_view text) noexcept {
    constexpr std::string_view blanks = " \t";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

/// Takes the first line away. Nothing: it is no field.
std::optional<Field> take_field(std::string_view& lines) noexcept {
    constexpr std::string_view line_end = "\r\n";
    const std::size_t size = std::min(lines.find(line_end), lines.size());
    const std::string_view line = lines.substr(0, size);
    lines.remove_prefix(std::min(size + line_end.size(), lines.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    return Field{line.substr(0, colon), without_blanks(line.substr(colon + 1))};
}

bool is_named(const std::optional<Field>& field, std::string_view name) noexcept {
    return field && field->first.size() == name.size() &&
           ::strncasecmp(field->first.data(), name.data(), name.size()) == 0;
}

}  // namespace

std::optional<std::string_view> HttpFields::first(std::string_view name) const noexcept {
    for (std::string_view rest = lines_; !rest.empty();)
        if (const auto field = take_field(rest); is_named(field, name)) return field->second;
    return {};
}

std::vector<std::string_view> HttpFields::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (std::string_view rest = lines_; !rest.empty();)
        if (const auto field = take_field(rest); is_named(field, name)) values.push_back(field->second);
    return values;
}

std::vector<Field> HttpFields::all() const {
    std::vector<Field> fields;
    for (std::string_view rest = lines_; !rest.empty();)
        if (const auto field = take_field(rest)) fields.push_back(*field);
    return fields;
}

}  // namespace bullpen
