#include "servers/services/media_type.hpp"

#include <algorithm>
#include <array>

namespace bullpen::http {
namespace {

struct MediaType {
    std::string_view extension;
    std::string_view type;
};

constexpr std::string_view plain_text = "text/plain; charset=utf-8";
constexpr std::string_view javascript = "text/javascript; charset=utf-8";

// Sorted by extension.
constexpr auto by_extension = std::to_array<MediaType>({
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"apng", "image/apng"},
    {"atom", "application/atom+xml"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", plain_text},
    {"cc", plain_text},
    {"cmake", plain_text},
    {"conf", plain_text},
    {"cpp", plain_text},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"deb", "application/vnd.debian.binary-package"},
    {"diff", plain_text},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"go", plain_text},
    {"gz", "application/gzip"},
    {"h", plain_text},
    {"hpp", plain_text},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar; charset=utf-8"},
    {"ini", plain_text},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", javascript},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"log", plain_text},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"m4v", "video/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", javascript},
    {"mkv", "video/matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"patch", plain_text},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"py", plain_text},
    {"rs", plain_text},
    {"rss", "application/rss+xml"},
    {"rst", plain_text},
    {"rtf", "application/rtf"},
    {"sh", plain_text},
    {"sql", "application/sql"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tgz", "application/gzip"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"toml", "application/toml"},
    {"ts", "video/mp2t"},
    {"tsv", "text/tab-separated-values; charset=utf-8"},
    {"ttf", "font/ttf"},
    {"txt", plain_text},
    {"vtt", "text/vtt; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "text/xml; charset=utf-8"},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
});

constexpr bool comes_before(const MediaType& a, const MediaType& b) noexcept {
    return a.extension < b.extension;
}
static_assert(std::is_sorted(by_extension.begin(), by_extension.end(), comes_before));

constexpr std::size_t longest_extension =
    std::max_element(by_extension.begin(), by_extension.end(), [](const MediaType& a, const MediaType& b) {
        return a.extension.size() < b.extension.size();
    })->extension.size();

constexpr char lower_case(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string_view media_type(std::string_view path) noexcept {
    constexpr std::string_view unknown = "application/octet-stream";
    const std::string_view name = path.substr(path.rfind('/') + 1);
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) {
        for (const std::string_view text_file : {"README", "LICENSE", "COPYING", "AUTHORS", "CHANGELOG",
                                                 "NEWS", "NOTICE", "TODO", "Makefile", "Dockerfile"})
            if (name == text_file) return plain_text;
        return unknown;
    }

    const std::string_view extension = name.substr(dot + 1);
    if (extension.size() > longest_extension) return unknown;
    std::array<char, longest_extension> lower{};
    std::transform(extension.begin(), extension.end(), lower.begin(), lower_case);
    const MediaType wanted{.extension = {lower.data(), extension.size()}, .type = {}};
    const auto* found = std::lower_bound(by_extension.begin(), by_extension.end(), wanted, comes_before);
    return found != by_extension.end() && found->extension == wanted.extension ? found->type : unknown;
}

}  // namespace bullpen::http
