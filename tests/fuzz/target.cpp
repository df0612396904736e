/// Request targets, and the paths that dot segments mean.
#include "core/http/request_target.hpp"

#include <algorithm>
#include <cstdint>

#include "core/http/authority.hpp"
#include "core/http/percent_encoding.hpp"
#include "tests/fuzz/property.hpp"

using namespace bullpen::http;

namespace {

bool has_dotted_part(std::string_view path) {
    for (;;) {
        const std::string_view part = path.substr(0, path.find('/'));
        if (part == "." || part == "..") return true;
        if (part.size() == path.size()) return false;
        path.remove_prefix(part.size() + 1);
    }
}

void check(const RequestTarget& target) {
    must(target.path.find('\0') == std::string::npos, "no path has a NUL");
    must(!target.path.starts_with('/') || target.has_encoded_slash, "no path is absolute");
    must(target.has_dot_segments || target.has_encoded_slash || !has_dotted_part(target.path),
         "dots are noticed");
    must(target.query.empty() || target.query.starts_with('?'), "a query begins with ?");
    const auto meant = without_dot_segments(target.encoded_path);
    if (!meant) return must(target.has_dot_segments, "only dots lead above the root");
    must(meant->starts_with('/') && !meant->starts_with("//"), "what is meant names no other server");
    must(std::all_of(meant->begin(), meant->end(), [](char c) { return c > ' ' && c < 127; }),
         "it is safe in a header");
    const auto again = parse_request_target(*meant);
    must(again && !again->has_dot_segments && again->query.empty(), "it is a path without dot segments");
    must(without_dot_segments(*meant) == meant, "it means itself");
    must(target.has_dot_segments || again->path == target.path, "without dot segments it is the same path");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto target = parse_request_target(text)) check(*target);
    if (is_authority(text))
        must(text.find_first_of("/?#@ ") == std::string_view::npos, "an authority is nothing else besides");
    must(percent_decode(percent_encode(text)) == text, "encoding loses nothing");
    return 0;
}
