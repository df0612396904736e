/// Media types: the Content-Type of a file, by its name.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace bullpen::http {

/// What is said of the encoding of text.
struct Charset {
    std::string name = "utf-8";  ///< Empty: nothing is said.

    /// Reads a name or "off". Throws std::invalid_argument: one sentence.
    static Charset parse(std::string_view text);
    [[nodiscard]] std::string text() const { return name.empty() ? "off" : name; }
};

/// Made once for all threads of a process. What of() returns lives as long as this.
class MediaTypes {
public:
    static constexpr std::size_t extension_max = 64;

    /// The built-in types, and those of a file in the form of mime.types ("text/html html htm"), which come
    /// before them; in the file the last line counts. Throws OptionError.
    explicit MediaTypes(const Charset& charset = {}, const std::string& file = {});

    /// The Content-Type of the file at `path`: "text/css; charset=utf-8". Text has the charset, but not HTML,
    /// XML and JSON, whose files say it themselves. A name without a known extension gives
    /// application/octet-stream.
    [[nodiscard]] std::string_view of(std::string_view path) const noexcept;

private:
    void read(const std::string& file);

    std::map<std::string, std::string, std::less<>> by_extension_;
    std::string plain_text_;
};

}  // namespace bullpen::http
