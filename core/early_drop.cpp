#include <bullpen/early_drop.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bullpen {
namespace {

constexpr int clients_most = 1'000'000;

[[noreturn]] void reject(std::string_view text) {
    throw std::invalid_argument{
        "'" + std::string{text} +
        "' is no begin:rate:full; expected 1 <= begin <= full <= " + std::to_string(clients_most) +
        " clients and a rate from 1 to 100 %, as in 10:30:100, or one number of "
        "clients, or 0 for off"};
}

}  // namespace

EarlyDrop EarlyDrop::parse(std::string_view text) {
    std::array<int, 3> parts{};
    std::size_t count = 0;
    const char* next = text.data();
    const char* const last = text.data() + text.size();
    for (;;) {
        const auto [end, error] = std::from_chars(next, last, parts[count++]);
        if (error != std::errc{}) reject(text);
        if (end == last) break;
        if (*end != ':' || count == parts.size()) reject(text);
        next = end + 1;
    }
    if (count == 1 && parts[0] == 0) return {};
    if (count == 1) parts = {parts[0], 100, parts[0]};
    const auto [begin, rate, full] = parts;
    const bool in_order = 1 <= begin && begin <= full && full <= clients_most;
    if (!in_order || rate < 1 || rate > 100) reject(text);
    return {.begin = begin, .rate = rate, .full = full};
}

}  // namespace bullpen
