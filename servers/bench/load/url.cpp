#include "servers/bench/load/url.hpp"

#include <strings.h>

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "core/http/authority.hpp"
#include "core/printable.hpp"

namespace bullpen {
namespace {

constexpr std::string_view http_scheme = "http://";
constexpr std::string_view tcp_scheme = "tcp://";
constexpr std::string_view unix_scheme = "unix:";

[[noreturn]] void reject(std::string_view text, const std::string& reason) {
    throw std::invalid_argument{"'" + std::string{text} + "' is no URL for load: " + reason};
}

/// RFC 3986 3.1: a scheme is the same in any case of letters.
bool has_scheme(std::string_view text, std::string_view scheme) noexcept {
    return text.size() >= scheme.size() && ::strncasecmp(text.data(), scheme.data(), scheme.size()) == 0;
}

Url parse_http(std::string_view text) {
    const std::string_view rest = text.substr(http_scheme.size());
    const auto path_at = std::min(rest.find_first_of("/?#"), rest.size());
    const std::string_view authority = rest.substr(0, path_at);
    std::string path{rest.substr(path_at)};
    if (authority.empty()) reject(text, "it names no host");
    if (authority.find('@') != std::string_view::npos)
        reject(text, "a user and password go into --header 'Authorization: …'");
    const std::optional<http::Authority> parsed = http::parse_authority(authority);
    if (!parsed) reject(text, "'" + printable(authority) + "' is no HOST or HOST:PORT");
    if (path.find('#') != std::string::npos) reject(text, "what follows '#' is not sent to a server");
    if (path.empty() || path.front() == '?') path.insert(0, "/");
    check_path("'" + std::string{text} + "'", path);
    const std::string_view port = parsed->port.empty() ? "80" : parsed->port;
    return {.http = true,
            .address = std::string{parsed->host} + ":" + std::string{port},
            .host = std::string{authority},
            .path = path};
}

}  // namespace

Url parse_url(std::string_view text) {
    if (has_scheme(text, http_scheme)) return parse_http(text);
    if (has_scheme(text, unix_scheme))
        return {.address = std::string{unix_scheme}.append(text.substr(unix_scheme.size()))};
    if (has_scheme(text, tcp_scheme)) {
        std::string_view address = text.substr(tcp_scheme.size());
        if (address.ends_with('/')) address.remove_suffix(1);
        if (address.find('/') != std::string_view::npos)
            reject(text, "after tcp://HOST:PORT nothing follows");
        if (address.starts_with(unix_scheme)) reject(text, "a UNIX socket is unix:/path");
        return {.address = std::string{address}};
    }
    if (has_scheme(text, "https://")) reject(text, "TLS is not spoken; expected http://…");
    const bool schemeless = text.find("://") == std::string_view::npos && !text.starts_with('/');
    reject(
        text,
        "expected http://HOST[:PORT]/PATH, tcp://HOST:PORT, unix:/path, udp://HOST:PORT or unixgram:/path" +
            (schemeless ? " (did you mean http://" + std::string{text} + "?)" : ""));
}

void check_host(const Url& url) {
    if (url.http && url.address.starts_with(unix_scheme))
        reject("http://" + url.host,
               "'unix' is the scheme of UNIX sockets; HTTP over one needs --unix /path");
}

void check_path(std::string_view place, std::string_view path) {
    const bool plain = std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < 127; });
    if (path.starts_with('/') && plain) return;
    throw std::invalid_argument{std::string{place} +
                                ": expected a path with '/' first and no blanks (%20 is one), got '" +
                                std::string{path} + "'"};
}

}  // namespace bullpen
