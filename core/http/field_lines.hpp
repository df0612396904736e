/// The lines of one header field in a request: several lines are one list (RFC 9110 5.3).
#pragma once

#include <algorithm>
#include <concepts>
#include <optional>
#include <string_view>
#include <vector>

namespace bullpen::http {

/// Views of the head. The first line costs no allocation.
class FieldLines {
public:
    FieldLines() noexcept = default;
    template <std::convertible_to<std::string_view> Text>
    FieldLines(const Text& line) noexcept : first_{line} {}  // NOLINT(google-explicit-constructor)

    void add(std::string_view line) {
        if (first_)
            more_.push_back(line);
        else
            first_ = line;
    }

    /// The request has no such field. A field with an empty value is there.
    [[nodiscard]] bool empty() const noexcept { return !first_; }

    /// The value of a field that must not be repeated; nothing if it isn't there or has several lines.
    [[nodiscard]] std::optional<std::string_view> single() const noexcept {
        return more_.empty() ? first_ : std::nullopt;
    }

    template <typename Predicate>
    [[nodiscard]] bool any_of(Predicate predicate) const {
        return first_ && (predicate(*first_) || std::any_of(more_.begin(), more_.end(), predicate));
    }

    template <typename Use>
    void for_each(Use use) const {
        if (first_) use(*first_);
        std::for_each(more_.begin(), more_.end(), use);
    }

private:
    std::optional<std::string_view> first_;
    std::vector<std::string_view> more_;
};

}  // namespace bullpen::http
