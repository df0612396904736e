#include "servers/services/media_type.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "core/http/token.hpp"
#include "core/read_file.hpp"
#include "servers/services/option_error.hpp"

namespace bullpen::http {
namespace {

struct BuiltInType {
    std::string_view extension;
    std::string_view type;
};

constexpr auto built_in_types = std::to_array<BuiltInType>({
    {"3gp", "video/3gpp"},
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"ai", "application/postscript"},
    {"aiff", "audio/aiff"},
    {"apk", "application/vnd.android.package-archive"},
    {"apng", "image/apng"},
    {"asc", "text/plain"},
    {"atom", "application/atom+xml"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"azw3", "application/vnd.amazon.ebook"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", "text/plain"},
    {"cc", "text/plain"},
    {"cjs", "text/javascript"},
    {"cmake", "text/plain"},
    {"conf", "text/plain"},
    {"cpp", "text/plain"},
    {"crx", "application/x-chrome-extension"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"cxx", "text/plain"},
    {"deb", "application/vnd.debian.binary-package"},
    {"diff", "text/plain"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"dsc", "text/plain"},
    {"dtd", "application/xml-dtd"},
    {"eot", "application/vnd.ms-fontobject"},
    {"eps", "application/postscript"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"flv", "video/x-flv"},
    {"geojson", "application/geo+json"},
    {"gif", "image/gif"},
    {"glb", "model/gltf-binary"},
    {"gltf", "model/gltf+json"},
    {"go", "text/plain"},
    {"gpx", "application/gpx+xml"},
    {"gz", "application/gzip"},
    {"h", "text/plain"},
    {"heic", "image/heic"},
    {"hh", "text/plain"},
    {"hpp", "text/plain"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar"},
    {"ini", "text/plain"},
    {"iso", "application/x-iso9660-image"},
    {"jar", "application/java-archive"},
    {"java", "text/plain"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"jsonl", "application/jsonl"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"kml", "application/vnd.google-earth.kml+xml"},
    {"log", "text/plain"},
    {"lz", "application/x-lzip"},
    {"m2ts", "video/mp2t"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"m4s", "video/iso.segment"},
    {"m4v", "video/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown"},
    {"mid", "audio/midi"},
    {"mjs", "text/javascript"},
    {"mkv", "video/matroska"},
    {"mobi", "application/x-mobipocket-ebook"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpd", "application/dash+xml"},
    {"mpe", "video/mpeg"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"patch", "text/plain"},
    {"pdf", "application/pdf"},
    {"pem", "application/x-pem-file"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"ps", "application/postscript"},
    {"py", "text/plain"},
    {"rar", "application/vnd.rar"},
    {"rpm", "application/x-rpm"},
    {"rs", "text/plain"},
    {"rss", "application/rss+xml"},
    {"rst", "text/plain"},
    {"rtf", "application/rtf"},
    {"sh", "text/plain"},
    {"shtml", "text/html"},
    {"sql", "application/sql"},
    {"srt", "application/x-subrip"},
    {"svg", "image/svg+xml"},
    {"swf", "application/vnd.adobe.flash.movie"},
    {"tar", "application/x-tar"},
    {"tbz2", "application/x-bzip2"},
    {"tgz", "application/gzip"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"toml", "application/toml"},
    {"torrent", "application/x-bittorrent"},
    {"ts", "video/mp2t"},
    {"tsv", "text/tab-separated-values"},
    {"ttc", "font/collection"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain"},
    {"txz", "application/x-xz"},
    {"vcf", "text/vcard"},
    {"vtt", "text/vtt"},
    {"war", "application/java-archive"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"wmv", "video/x-ms-wmv"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "text/xml"},
    {"xpi", "application/x-xpinstall"},
    {"xsl", "application/xslt+xml"},
    {"xslt", "application/xslt+xml"},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
});

constexpr std::array<std::string_view, 10> plain_names{"README",    "LICENSE",   "COPYING", "AUTHORS",
                                                       "CHANGELOG", "NEWS",      "NOTICE",  "TODO",
                                                       "Makefile",  "Dockerfile"};

constexpr std::string_view blanks = " \t\r\v\f";

constexpr char lower_case(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string in_lower_case(std::string_view text) {
    std::string lower{text};
    std::transform(lower.begin(), lower.end(), lower.begin(), lower_case);
    return lower;
}

/// The first word of a line, which is then without it; empty at the end.
std::string_view take_word(std::string_view& line) noexcept {
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(blanks));
    line.remove_prefix(word.size());
    return word;
}

/// "text/html", or with parameters "text/html;charset=utf-8".
bool is_media_type(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    const std::size_t end = std::min(text.find(';'), text.size());
    const auto is_visible = [](char c) { return c > ' ' && c < '\x7F'; };
    return slash < end && is_token(text.substr(0, slash)) &&
           is_token(text.substr(slash + 1, end - slash - 1)) &&
           std::all_of(text.begin() + static_cast<std::ptrdiff_t>(end), text.end(), is_visible);
}

/// HTML, XML and JSON files say themselves which charset they have, or have but one.
bool is_text_without_charset(std::string_view type) {
    const std::string lower = in_lower_case(type);
    if (!lower.starts_with("text/") || lower.find(';') != std::string::npos) return false;
    for (const std::string_view own : {"html", "xml", "json"})
        if (lower.substr(5) == own || lower.ends_with("+" + std::string{own})) return false;
    return true;
}

}  // namespace

Charset Charset::parse(std::string_view text) {
    if (text == "off") return {.name = {}};
    if (is_token(text)) return {.name = std::string{text}};
    throw std::invalid_argument{"'" + std::string{text} +
                                "' is no charset; expected off or a name, as utf-8 or iso-8859-1"};
}

MediaTypes::MediaTypes(const Charset& charset, const std::string& file) : plain_text_{"text/plain"} {
    for (const BuiltInType& row : built_in_types)
        by_extension_.emplace(row.extension, row.type);
    if (!file.empty()) read(file);
    if (charset.name.empty()) return;
    const std::string parameter = "; charset=" + charset.name;
    plain_text_ += parameter;
    for (auto& [extension, type] : by_extension_)
        if (is_text_without_charset(type)) type += parameter;
}

void MediaTypes::read(const std::string& file) {
    std::error_code error;
    const std::string text = read_file(file, error);
    if (error) throw OptionError{"types", file + " cannot be read: " + reason_of(error)};
    std::size_t number = 0;
    for (std::string_view rest = text; !rest.empty();) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        ++number;
        line = line.substr(0, line.find('#'));
        const std::string_view type = take_word(line);
        if (type.empty()) continue;
        const std::string place = file + ":" + std::to_string(number) + ": ";
        if (!is_media_type(type))
            throw OptionError{"types", place + "'" + std::string{type} +
                                           "' is no media type; expected lines such as 'text/html html htm'"};
        for (std::string_view extension; !(extension = take_word(line)).empty();) {
            if (extension.size() > extension_max || extension.find_first_of("/;{}") != std::string_view::npos)
                throw OptionError{"types",
                                  place + "'" + std::string{extension} +
                                      "' is no extension; expected words such as html, without / and ;"};
            by_extension_.insert_or_assign(in_lower_case(extension), std::string{type});
        }
    }
}

std::string_view MediaTypes::of(std::string_view path) const noexcept {
    constexpr std::string_view unknown = "application/octet-stream";
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (name.find('.') == std::string_view::npos)
        return std::find(plain_names.begin(), plain_names.end(), name) != plain_names.end()
                   ? std::string_view{plain_text_}
                   : unknown;
    // The longest extension that is known: tar.gz before gz.
    for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
        const std::string_view extension = name.substr(dot + 1);
        if (extension.size() > extension_max) continue;
        std::array<char, extension_max> lower;
        const auto end = std::transform(extension.begin(), extension.end(), lower.begin(), lower_case);
        const auto found =
            by_extension_.find(std::string_view{lower.data(), static_cast<std::size_t>(end - lower.begin())});
        if (found != by_extension_.end()) return found->second;
    }
    return unknown;
}

}  // namespace bullpen::http
