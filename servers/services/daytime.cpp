/// daytime: the date and time as a line (RFC 867; UNP 1.5).
#include <ctime>

#include "servers/services/own_program.hpp"
#include "servers/services/service.hpp"
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
    return {.name = "daytime",
            .summary = "the date and time as a line (RFC 867)",
            .make = [](const ServiceOptions&) { return make_short_answer(daytime); },
            .make_async = [](const ServiceOptions&) { return make_async_short_answer(daytime); },
            .make_program = [](const ServiceOptions&) { return own_program("daytime"); }};
}

}  // namespace bullpen
