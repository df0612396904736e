#include "servers/cli/text_table.hpp"

#include <algorithm>

namespace bullpen {

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

/// Spaces at the beginning, and several between two words, are kept: they align.
std::string wrap(const std::string& text, std::size_t width, std::size_t indent) {
    std::string wrapped;
    std::string line;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t word = std::min(text.find_first_not_of(' ', at), text.size());
        const std::size_t end = std::min(text.find(' ', word), text.size());
        const std::string piece = text.substr(at, end - at);
        if (word == end) break;
        if (width_of(line) + width_of(piece) > width && !line.empty()) {
            wrapped += line + "\n";
            line = std::string(indent, ' ') + text.substr(word, end - word);
        } else {
            line += piece;
        }
        at = end;
    }
    return wrapped + line + "\n";
}

std::string TextTable::text() const {
    std::vector<std::size_t> widths(left_.size());
    for (const Cells& cells : lines_)
        for (std::size_t i = 0; i < cells.size(); ++i)
            widths[i] = std::max(widths[i], width_of(cells[i]));
    std::string text;
    for (const Cells& cells : lines_) {
        std::string line;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const std::string room(widths[i] - width_of(cells[i]), ' ');
            line += (i > 0 ? " " : "") + (left_[i] ? cells[i] + room : room + cells[i]);
        }
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

}  // namespace bullpen
