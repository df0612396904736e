/// Text in columns, for terminals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

/// Columns on the screen: bytes of UTF-8 that begin a character.
std::size_t width_of(std::string_view text);

/// Breaks text between words; lines after the first begin with `indent` spaces. Ends with a newline.
std::string wrap(const std::string& text, std::size_t width, std::size_t indent);

/// The first column is aligned left, the others right, with one space between them.
class TextTable {
public:
    using Cells = std::vector<std::string>;

    explicit TextTable(const Cells& head) : left_(head.size()), lines_{head} { left_[0] = true; }

    void align_left(std::size_t column) { left_[column] = true; }

    /// As many cells as the head has; fewer at the end are empty.
    void add(Cells cells) { lines_.push_back(std::move(cells)); }

    /// Each line ends with a newline.
    [[nodiscard]] std::string text() const;

private:
    std::vector<bool> left_;
    std::vector<Cells> lines_;
};

}  // namespace bullpen
