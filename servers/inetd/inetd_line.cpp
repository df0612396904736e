#include "servers/inetd/inetd_line.hpp"

#include <algorithm>
#include <cstddef>

#include "core/utf8.hpp"
#include "servers/inetd/inetd_word.hpp"

namespace bullpen {
namespace {

constexpr std::string_view blanks = " \t";

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
}

std::string complaint_about(std::string_view word) {
    if (std::any_of(word.begin(), word.end(), is_control))
        return quoted(word) + " has a control byte; expected text without any";
    if (!is_utf8(word)) return quoted(word) + " is not UTF-8; expected text that is";
    return {};
}

/// Takes the first word off `line`, which begins with one.
InetdWord take_word(std::string_view& line) {
    InetdWord word;
    std::size_t at = 0;
    while (at < line.size() && blanks.find(line[at]) == std::string_view::npos) {
        const char c = line[at++];
        if (c != '\'' && c != '"') {
            word.text += c;
            continue;
        }
        const std::size_t end = line.find(c, at);
        word.text += line.substr(at, end - at);
        if (end == std::string_view::npos) {
            word.complaint = std::string{"the quote "} + c + " has no end; expected another one in its line";
            line = {};
            return word;
        }
        at = end + 1;
    }
    line.remove_prefix(at);
    word.complaint = complaint_about(word.text);
    return word;
}

void add_words(std::string_view line, std::vector<InetdWord>& words) {
    for (;;) {
        line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
        if (line.empty()) return;
        words.push_back(take_word(line));
    }
}

std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

}  // namespace

std::vector<InetdLine> inetd_lines(std::string_view text) {
    std::vector<InetdLine> lines;
    bool can_be_continued = false;
    for (int number = 1; !text.empty(); ++number) {
        const std::string_view line = take_line(text);
        if (line.empty() || line.front() == '#') {
            can_be_continued = false;
            continue;
        }
        const std::size_t begin = line.find_first_not_of(blanks);
        if (begin == std::string_view::npos) continue;
        const bool has_hash = begin > 0 && line[begin] == '#';
        if (begin == 0 || !can_be_continued) {
            if (has_hash) continue;  // A comment after a comment.
            lines.push_back({.number = number, .words = {}, .continues_nothing = begin > 0, .hash = {}});
        } else if (has_hash && !lines.back().hash) {
            lines.back().hash = lines.back().words.size();
        }
        add_words(line.substr(begin), lines.back().words);
        can_be_continued = true;
    }
    return lines;
}

}  // namespace bullpen
