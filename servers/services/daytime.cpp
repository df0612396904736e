/// daytime: the date and time as a line (RFC 867; UNP 1.5).
#include <ctime>

#include "servers/services/short_answer.hpp"

namespace bullpen {
namespace {

/// As ctime(3) writes it, in local time.
std::string daytime() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    char line[64];
    return {line, std::strftime(line, sizeof line, "%a %b %e %H:%M:%S %Y\r\n", &local)};
}

}  // namespace

Service daytime_service() {
    return short_answer_service("daytime", "the date and time as a line (RFC 867)", daytime);
}

}  // namespace bullpen
