/// uptime: what uptime(1) says, without starting it (the ruptime service of APUE 16).
#include <utmp.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include "servers/services/short_answer.hpp"

namespace bullpen {
namespace {

/// Sessions, as utmp(5) has them. Read here, because getutent(3) is not for several threads.
int count_users() {
    std::ifstream sessions{_PATH_UTMP, std::ios::binary};
    int users = 0;
    for (utmp session{}; sessions.read(reinterpret_cast<char*>(&session), sizeof session);)
        users += session.ut_type == USER_PROCESS && session.ut_user[0] != '\0' ? 1 : 0;
    return users;
}

/// "2 days, 3:04" or "12 min".
std::string span(long seconds) {
    const long minutes = seconds / 60 % 60;
    const long hours = seconds / 3600 % 24;
    const long days = seconds / 86'400;
    const std::string begin = days == 0 ? "" : fmt::format("{} day{}, ", days, days == 1 ? "" : "s");
    return begin + (hours > 0 ? fmt::format("{:2}:{:02}", hours, minutes) : fmt::format("{} min", minutes));
}

std::string uptime() {
    double up_s = 0;
    double loads[3]{};
    std::ifstream{"/proc/uptime"} >> up_s;
    if (!(std::ifstream{"/proc/loadavg"} >> loads[0] >> loads[1] >> loads[2]))
        throw std::runtime_error{"uptime: /proc/loadavg can't be read"};
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    const int users = count_users();
    return fmt::format(" {:02}:{:02}:{:02} up {}, {:2} user{},  load average: {:.2f}, {:.2f}, {:.2f}\r\n",
                       local.tm_hour, local.tm_min, local.tm_sec, span(static_cast<long>(up_s)), users,
                       users == 1 ? "" : "s", loads[0], loads[1], loads[2]);
}

}  // namespace

Service uptime_service() {
    return short_answer_service("uptime", "what uptime(1) says, without starting it (APUE 16)", uptime);
}

}  // namespace bullpen
