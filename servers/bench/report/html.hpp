/// Writes HTML and SVG: whatever is given as text or as an attribute's value is escaped.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bullpen {

class Html {
public:
    using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

    Html& open(std::string_view tag, Attributes attributes = {});
    Html& close();  ///< The element opened last.
    Html& text(std::string_view text);
    Html& element(std::string_view tag, Attributes attributes, std::string_view text);
    Html& empty(std::string_view tag, Attributes attributes);  ///< An SVG element without content.
    Html& raw(std::string_view html);                          ///< As it is.

    /// All that was opened must be closed.
    [[nodiscard]] std::string take();

private:
    void begin(std::string_view tag, Attributes attributes);

    std::string html_;
    std::vector<std::string> open_;
};

/// With & < > " ' written as entities.
std::string escaped(std::string_view text);

/// A length or coordinate: two decimals at most, a point whatever the locale, no trailing zeros.
std::string coordinate(double value);
std::string percent_coordinate(double share);  ///< 0 to 1 as "12.5%".

}  // namespace bullpen
