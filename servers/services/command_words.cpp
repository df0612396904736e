#include "servers/services/command_words.hpp"

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>

namespace bullpen {

std::vector<std::string> command_words(std::string_view line) {
    std::vector<std::string> words;
    std::optional<std::string> word;
    const auto add = [&](char c) {
        if (!word) word.emplace();
        *word += c;
    };
    char quote = '\0';
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\0') throw std::invalid_argument{"a command has no NUL byte"};
        if (c == quote) {
            quote = '\0';
        } else if (quote == '\0' && (c == '\'' || c == '"')) {
            quote = c;
            if (!word) word.emplace();  // It may be empty.
        } else if (c == '\\' && quote != '\'') {
            if (++i == line.size()) throw std::invalid_argument{"nothing follows the last backslash"};
            add(line[i]);
        } else if (quote == '\0' && std::string_view{" \t\r\n"}.find(c) != std::string_view::npos) {
            if (word) words.push_back(*std::exchange(word, std::nullopt));
        } else {
            add(c);
        }
    }
    if (quote != '\0') throw std::invalid_argument{std::string{"the quote "} + quote + " has no end"};
    if (word) words.push_back(*word);
    return words;
}

}  // namespace bullpen
