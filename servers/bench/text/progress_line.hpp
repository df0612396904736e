/// One line on the terminal that says how far something is; nothing where stderr is no terminal.
#pragma once

#include <string_view>

namespace bullpen {

class ProgressLine {
public:
    ProgressLine() noexcept;
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// A line that stays.
    void announce(std::string_view text) noexcept;
    void show(std::string_view text) noexcept;
    void clear() noexcept;

private:
    bool on_terminal_;
    bool shown_ = false;
};

}  // namespace bullpen
