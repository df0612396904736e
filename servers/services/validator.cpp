#include "servers/services/validator.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>

namespace bullpen::http {
namespace {

std::optional<std::time_t> date_in(const FieldLines& lines) noexcept {
    const std::optional<std::string_view> only = lines.single();
    return only ? parse_http_date(*only) : std::nullopt;
}

}  // namespace

Validator::Validator(timespec modified, std::uint64_t size, std::time_t now, std::string_view coding) noexcept
    : modified_{modified.tv_sec},
      has_date_{modified.tv_sec >= 0 && modified.tv_sec < now},
      last_modified_{modified.tv_sec} {
    const std::uint64_t nanoseconds = static_cast<std::uint64_t>(modified.tv_sec) * 1'000'000'000U +
                                      static_cast<std::uint64_t>(modified.tv_nsec);
    char* const end = tag_.data() + tag_.size();
    char* at = tag_.data();
    *at++ = '"';
    at = std::to_chars(at, end, nanoseconds, 16).ptr;
    *at++ = '-';
    at = std::to_chars(at, end, size, 16).ptr;
    if (!coding.empty()) {
        *at++ = '-';
        at = std::copy_n(coding.data(), coding.size(), at);
    }
    *at++ = '"';
    tag_size_ = static_cast<std::size_t>(at - tag_.data());
}

Precondition Validator::evaluate(const Conditions& conditions) const noexcept {
    const bool is_file = tag_size_ > 0;
    if (!conditions.if_match.empty()) {
        if (!is_in(conditions.if_match, Comparison::strong)) return Precondition::failed;
    } else if (const auto time = date_in(conditions.if_unmodified_since); time && is_file) {
        if (!has_date_ || modified_ > *time) return Precondition::failed;
    }
    if (!conditions.if_none_match.empty()) {
        if (is_in(conditions.if_none_match, Comparison::weak)) return Precondition::not_modified;
    } else if (const auto since = date_in(conditions.if_modified_since); since && has_date_) {
        if (modified_ <= *since) return Precondition::not_modified;
    }
    return Precondition::proceed;
}

bool Validator::allows_range(const Conditions& conditions) const noexcept {
    if (conditions.if_range.empty()) return true;
    const std::optional<std::string_view> state = conditions.if_range.single();
    return state && (*state == entity_tag() || (has_date_ && *state == last_modified()));
}

bool Validator::is_in(const FieldLines& lines, Comparison comparison) const noexcept {
    return lines.any_of([&](std::string_view tags) { return is_in(tags, comparison); });
}

bool Validator::is_in(std::string_view tags, Comparison comparison) const noexcept {
    if (tags == "*") return true;
    for (;;) {
        tags.remove_prefix(std::min(tags.find_first_not_of(" \t,"), tags.size()));
        const bool weak = tags.starts_with("W/");
        if (weak) tags.remove_prefix(2);
        const std::size_t end = tags.find('"', 1);
        if (!tags.starts_with('"') || end == std::string_view::npos) return false;
        const bool comparable = !weak || comparison == Comparison::weak;
        if (comparable && tags.substr(0, end + 1) == entity_tag()) return true;
        tags.remove_prefix(end + 1);
    }
}

}  // namespace bullpen::http
