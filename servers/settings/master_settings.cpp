#include "servers/settings/master_settings.hpp"

namespace bullpen {
namespace {

constexpr int day = 86'400;  // In seconds.

/// The member at the end of a path of members.
template <auto... path>
auto& at(MasterSettings& settings) {
    return (settings.*....*path);
}

}  // namespace

const std::vector<Setting<MasterSettings>>& master_settings() {
    using M = MasterSettings;
    constexpr auto log = &M::log;
    static const std::vector<Setting<M>> table = {
        {"name", at<&M::name>, "NAME", "the server's, and its pool's in metrics"},
        {"metrics", at<&M::metrics>, "ADDR", "where Prometheus may scrape, or off"},
        {"control", at<&M::control>, "DIR", "directory of the socket for bullpen ctl, or off"},
        {"pid_file", at<&M::pid_file>, "PATH", "file for the pid of the server's process, or off"},
        {"port_file", at<&M::port_file>, "PATH", "file for all addresses that were bound, or off"},
        {"log", at<log, &LogOptions::to>, "WHERE", "stderr, fd:N (an open descriptor) or a file"},
        {"log_level", at<log, &LogOptions::level>, "LEVEL", "the least that is logged: debug to error"},
        {"log_format", at<log, &LogOptions::format>, "FORMAT", "of log lines: text or json"},
        {"drain_timeout", at<&M::drain_timeout>, "S", "the longest that an orderly stop may take", 0, day},
        {"master_timeout", at<&M::master_timeout>, "S", "time until a stuck (SIGSTOP) master is replaced", 2,
         day},
        {"upgrade_timeout", at<&M::upgrade_timeout>, "S", "for a new program to be ready to take over", 1,
         day},
    };
    return table;
}

MasterSettings master_settings_of(const Options& options) {
    return {.name = options.name,
            .metrics = options.metrics,
            .control = options.control,
            .pid_file = options.pid_file,
            .port_file = options.port_file,
            .log = {.to = options.log, .level = options.log_level, .format = options.log_format},
            .drain_timeout = options.drain_timeout,
            .master_timeout = options.master_timeout,
            .upgrade_timeout = options.upgrade_timeout};
}

void set_master_settings(Options& options, const MasterSettings& settings) {
    options.name = settings.name;
    options.metrics = settings.metrics;
    options.control = settings.control;
    options.pid_file = settings.pid_file;
    options.port_file = settings.port_file;
    options.log = settings.log.to;
    options.log_level = settings.log.level;
    options.log_format = settings.log.format;
    options.drain_timeout = settings.drain_timeout;
    options.master_timeout = settings.master_timeout;
    options.upgrade_timeout = settings.upgrade_timeout;
}

}  // namespace bullpen
