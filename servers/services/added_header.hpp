/// An added header: what an operator wants answers to say.
#pragma once

#include <string>
#include <string_view>

namespace bullpen::http {

struct AddedHeader {
    std::string pattern{};  ///< Of the paths that it is for; empty: of all.
    std::string line{};     ///< "NAME: VALUE\r\n"

    /// Reads "[PATTERN ]NAME: VALUE". Throws std::invalid_argument, one sentence, for what is no header line,
    /// for a pattern that isn't valid, and for a header that the server itself writes.
    static AddedHeader parse(std::string_view text);
    [[nodiscard]] std::string text() const;

    /// A pattern is one of the shell's (fnmatch(3)): "*.css" is for the last part of the path, "/a/*", with a
    /// slash, for all of it; * and ? stand for slashes, too. `path` is relative to the root.
    [[nodiscard]] bool is_for(const std::string& path) const;
};

}  // namespace bullpen::http
