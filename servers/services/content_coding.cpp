#include "servers/services/content_coding.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>

namespace bullpen::http {
namespace {

constexpr std::array all_codings{ContentCoding::brotli, ContentCoding::zstd, ContentCoding::gzip};

constexpr std::string_view ows = " \t";

std::string_view trimmed(std::string_view text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(ows), text.size()));
    return text.substr(0, text.find_last_not_of(ows) + 1);
}

bool is_same_word(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// "0.25" in thousandths; nothing if it is no qvalue (RFC 9110 12.4.2).
std::optional<int> parse_quality(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return {};
    if (text.size() > 1 && text[1] != '.') return {};
    int quality = (text[0] - '0') * 1000;
    int unit = 100;
    for (const char digit : text.substr(std::min<std::size_t>(2, text.size()))) {
        if (digit < '0' || digit > '9') return {};
        quality += (digit - '0') * unit;
        unit /= 10;
    }
    return quality <= 1000 ? std::optional{quality} : std::nullopt;
}

/// What one client thinks of each coding.
class Preferences {
public:
    explicit Preferences(const FieldLines& lines) noexcept {
        lines.for_each([this](std::string_view line) { read(line); });
    }

    /// In thousandths; 0: not acceptable. The plain file is acceptable without being named, and then any
    /// coding is better.
    [[nodiscard]] int of(ContentCoding coding) const noexcept {
        return qualities_[static_cast<std::size_t>(coding)].value_or(others_.value_or(0));
    }

private:
    void read(std::string_view line) noexcept {
        for (std::size_t begin = 0; begin < line.size();) {
            const std::size_t end = std::min(line.find(',', begin), line.size());
            read_element(line.substr(begin, end - begin));
            begin = end + 1;
        }
    }

    /// "gzip" or "gzip;q=0.5"; anything else is passed over.
    void read_element(std::string_view element) noexcept {
        const std::size_t semicolon = element.find(';');
        const std::string_view name = trimmed(element.substr(0, semicolon));
        std::optional<int> quality = 1000;
        if (semicolon != std::string_view::npos) {
            const std::string_view weight = trimmed(element.substr(semicolon + 1));
            if (!is_same_word(weight.substr(0, 2), "q=")) return;
            quality = parse_quality(weight.substr(2));
        }
        if (!quality) return;
        if (name == "*") others_ = quality;
        if (is_same_word(name, "x-gzip")) qualities_[static_cast<std::size_t>(ContentCoding::gzip)] = quality;
        if (is_same_word(name, "identity"))
            qualities_[static_cast<std::size_t>(ContentCoding::identity)] = quality;
        for (const ContentCoding coding : all_codings)
            if (is_same_word(name, name_of(coding))) qualities_[static_cast<std::size_t>(coding)] = quality;
    }

    std::array<std::optional<int>, all_codings.size() + 1> qualities_{};
    std::optional<int> others_;
};

}  // namespace

std::string_view name_of(ContentCoding coding) noexcept {
    switch (coding) {
        case ContentCoding::identity: return "";
        case ContentCoding::brotli: return "br";
        case ContentCoding::zstd: return "zstd";
        case ContentCoding::gzip: return "gzip";
    }
    return "";
}

std::string_view suffix_of(ContentCoding coding) noexcept {
    switch (coding) {
        case ContentCoding::identity: return "";
        case ContentCoding::brotli: return ".br";
        case ContentCoding::zstd: return ".zst";
        case ContentCoding::gzip: return ".gz";
    }
    return "";
}

ContentCodings ContentCodings::parse(std::string_view text) {
    ContentCodings read;
    if (text == "off") return read;
    const auto reject = [&] {
        throw std::invalid_argument{
            "'" + std::string{text} +
            "' is no list of codings; expected off, or each of br, zst and gz at most "
            "once, the best first, as in br,zst,gz"};
    };
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const std::string suffix = "." + std::string{text.substr(begin, end - begin)};
        const auto* const coding = std::find_if(all_codings.begin(), all_codings.end(),
                                                [&](ContentCoding one) { return suffix_of(one) == suffix; });
        if (coding == all_codings.end() ||
            std::find(read.codings.begin(), read.codings.end(), *coding) != read.codings.end())
            reject();
        read.codings.push_back(*coding);
        begin = end + 1;
    }
    return read;
}

std::string ContentCodings::text() const {
    std::string text;
    for (const ContentCoding coding : codings)
        text.append(text.empty() ? "" : ",").append(suffix_of(coding).substr(1));
    return text.empty() ? "off" : text;
}

ContentCodings preferred(const FieldLines& accept_encoding, const ContentCodings& offered) {
    const Preferences client{accept_encoding};
    ContentCodings better;
    for (const ContentCoding coding : offered.codings)
        if (client.of(coding) > 0 && client.of(coding) >= client.of(ContentCoding::identity))
            better.codings.push_back(coding);
    std::stable_sort(better.codings.begin(), better.codings.end(),
                     [&](ContentCoding a, ContentCoding b) { return client.of(a) > client.of(b); });
    return better;
}

}  // namespace bullpen::http
