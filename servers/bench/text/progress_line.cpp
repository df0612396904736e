#include "servers/bench/text/progress_line.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace bullpen {

constexpr std::string_view begin_line_anew = "\r\033[K";

ProgressLine::ProgressLine() noexcept : on_terminal_{::isatty(STDERR_FILENO) == 1} {}

void ProgressLine::announce(std::string_view text) noexcept {
    if (!on_terminal_) return;
    clear();
    std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

void ProgressLine::show(std::string_view text) noexcept {
    constexpr std::size_t columns = 79;  // A longer line would wrap, and its first half stay behind.
    if (!on_terminal_) return;
    text = text.substr(0, columns);
    std::fprintf(stderr, "%.*s%.*s", static_cast<int>(begin_line_anew.size()), begin_line_anew.data(),
                 static_cast<int>(text.size()), text.data());
    shown_ = true;
}

void ProgressLine::clear() noexcept {
    if (shown_) std::fputs(begin_line_anew.data(), stderr);
    shown_ = false;
}

}  // namespace bullpen
