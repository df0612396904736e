#include "servers/settings/limit_settings.hpp"

#include <chrono>

#include "servers/settings/nearest.hpp"
#include "servers/settings/setting_place.hpp"

namespace bullpen {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void set_handoff(PoolOptions& pool, const PoolSettings& settings, const SettingPlace& where) {
    if (settings.handoff_when == "readable") {
        where.require_accepting_master("handoff_when", pool.model);
        pool.handoff_when = HandoffWhen::readable;
    } else if (settings.handoff_when == "accept") {
        pool.handoff_when = HandoffWhen::accepted;
    } else if (!settings.handoff_when.empty()) {
        where.reject(no_such("handoff_when", settings.handoff_when, {"accept", "readable"}));
    }
    if (settings.linger != PoolSettings{}.linger) {
        where.require(pool.model.parks(), "linger", "model prefork, whose workers give connections back",
                      pool.model);
        pool.await_next = milliseconds{settings.linger};
    }
}

void set_request_limit(PoolOptions& pool, const PoolSettings& settings, const SettingPlace& where) {
    if (settings.request_timeout > 0 && !pool.model.limits_requests())
        where.reject(where.spelled("request_timeout") + " doesn't go with model " +
                     std::string{pool.model.name} +
                     ": the process that it would end serves other clients, too");
    pool.request_limit = seconds{settings.request_timeout};
    pool.request_grace = seconds{settings.request_grace};
    pool.stopped_limit = seconds{settings.stopped_timeout};
}

void set_overload(PoolOptions& pool, const PoolSettings& settings, const SettingPlace& where) {
    if (settings.queue > 0) where.require_accepting_master("queue", pool.model);
    if (settings.connections_max > 0) where.require_accepting_master("connections_max", pool.model);
    pool.queue_max = settings.queue;
    pool.queue_wait = milliseconds{settings.queue_timeout};
    pool.connections_max = static_cast<std::size_t>(settings.connections_max);
}

TimeLimits time_limits(const PoolSettings& settings) noexcept {
    return {.idle = seconds{settings.idle_timeout},
            .header = seconds{settings.header_timeout},
            .body = seconds{settings.body_timeout},
            .body_rate = settings.body_rate,
            .read = seconds{settings.read_timeout},
            .write = seconds{settings.write_timeout},
            .write_rate = settings.write_rate};
}

}  // namespace

void set_limits(PoolOptions& pool, const PoolSettings& settings, std::string_view place,
                std::string (*spell)(std::string_view key)) {
    const SettingPlace where{place, spell};
    set_handoff(pool, settings, where);
    pool.time_limits = time_limits(settings);
    set_request_limit(pool, settings, where);
    set_overload(pool, settings, where);
}

}  // namespace bullpen
