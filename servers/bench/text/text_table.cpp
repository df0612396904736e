#include "servers/bench/text/text_table.hpp"

#include <algorithm>
#include <numeric>

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

std::string TextTable::text(std::size_t width) const {
    const std::vector<std::size_t> columns = widths(width);
    std::string text;
    for (const Cells& cells : lines_) {
        std::string line;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const bool fits = width_of(cells[i].text) <= columns[i];
            const std::string cell = fits ? cells[i].text : cells[i].narrow(columns[i]);
            const std::string room(columns[i] - width_of(cell), ' ');
            line += (i > 0 ? " " : "") + (left_[i] ? cell + room : room + cell);
        }
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

std::vector<std::size_t> TextTable::widths(std::size_t width) const {
    std::vector<std::size_t> widths(left_.size());
    std::vector<std::size_t> least(left_.size());
    for (const Cells& cells : lines_) {
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const std::size_t natural = width_of(cells[i].text);
            widths[i] = std::max(widths[i], natural);
            least[i] = std::max(least[i], cells[i].narrow ? std::min(natural, cells[i].width_min) : natural);
        }
    }
    const std::size_t gaps = widths.size() - 1;
    for (std::size_t sum = std::accumulate(widths.begin(), widths.end(), gaps); sum > width; --sum) {
        std::size_t* widest = nullptr;
        for (std::size_t i = 0; i < widths.size(); ++i)
            if (widths[i] > least[i] && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
        if (widest == nullptr) break;
        --*widest;
    }
    return widths;
}

}  // namespace bullpen
