/// Text in columns, for terminals.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bullpen {

/// Columns on the screen: bytes of UTF-8 that begin a character.
std::size_t width_of(std::string_view text);

/// Breaks text between words; lines after the first begin with `indent` spaces. Ends with a newline.
std::string wrap(const std::string& text, std::size_t width, std::size_t indent);

/// The first column is aligned left, the others right, with one space between them.
class TextTable {
public:
    struct Cell {
        Cell(std::string written) : text{std::move(written)} {}
        Cell(const char* written) : text{written} {}
        Cell(std::string written, std::size_t least, std::function<std::string(std::size_t)> shorten)
            : text{std::move(written)}, width_min{least}, narrow{std::move(shorten)} {}

        std::string text;
        std::size_t width_min = 0;  ///< What `narrow` needs.
        std::function<std::string(std::size_t)>
            narrow;  ///< The cell in so few columns; none: only as `text`.
    };
    using Cells = std::vector<Cell>;

    explicit TextTable(const Cells& head) : left_(head.size()), lines_{head} { left_[0] = true; }

    void align_left(std::size_t column) { left_[column] = true; }

    /// As many cells as the head has; fewer at the end are empty.
    void add(Cells cells) { lines_.push_back(std::move(cells)); }

    /// Each line ends with a newline. While lines are wider than `width`, the widest column whose cells can
    /// be narrower becomes so.
    [[nodiscard]] std::string text(std::size_t width = 80) const;

private:
    [[nodiscard]] std::vector<std::size_t> widths(std::size_t width) const;

    std::vector<bool> left_;
    std::vector<Cells> lines_;
};

}  // namespace bullpen
