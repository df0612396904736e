/// What remote-command says behind a command's output: how it has ended.
#pragma once

#include <string>
#include <string_view>

namespace bullpen {

/// Lets the output pass and keeps the last line, which stands behind a NUL byte (servers/README.md).
class CommandTrailer {
public:
    /// What of the stream is output for sure.
    std::string pass(std::string_view piece);

    /// To be asked once the stream has ended: "exit 0", "signal 9", "limit time"; empty if it has no such
    /// line.
    [[nodiscard]] std::string text() const;

    /// What was kept and is no such line.
    [[nodiscard]] std::string rest() const { return text().empty() ? kept_ : ""; }

private:
    std::string kept_;  ///< From the last NUL byte on.
};

/// As a shell's exit status: N, 128 + N for signal N, 124 for a limit (timeout(1)); -1: it is none.
int exit_status_of_trailer(std::string_view text) noexcept;

}  // namespace bullpen
