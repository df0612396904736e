/// inetd.conf as text: which of its lines belong together, and their words.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

struct InetdWord {
    std::string text;       ///< Without its quotes.
    std::string complaint;  ///< One sentence if its bytes are wrong: a control byte, no UTF-8, an open quote.
};

/// A line with those that continue it.
struct InetdLine {
    int number = 0;                  ///< Of the first, from 1.
    std::vector<InetdWord> words;    ///< At least one.
    bool continues_nothing = false;  ///< It begins with a blank, and there is no line that it could continue.
    std::optional<std::size_t> hash;  ///< The first word that follows a continued line's blanks and a '#'.
};

/// The lines that say something, in their order. A line that begins with '#' is a comment. A line that begins
/// with a blank (a space or a tab) continues the one before, but not a comment or an empty line. A CR before
/// the LF is no part of the line.
///
/// Words are separated by blanks. Within '…' and "…" every byte but the quote stands for itself, and what
/// stands beside the quotes belongs to the same word; a backslash has no meaning. A quote ends in its line.
///
/// Takes time and memory in proportion to the text, whatever its bytes.
std::vector<InetdLine> inetd_lines(std::string_view text);

}  // namespace bullpen
