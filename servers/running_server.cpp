#include "servers/running_server.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include <bullpen/version.hpp>
#include "core/process.hpp"
#include "core/resolve.hpp"
#include "core/standard_descriptors.hpp"
#include "metrics/exporter.hpp"
#include "servers/control_socket.hpp"
#include "servers/ready_call.hpp"
#include "servers/settings/setting_value.hpp"

namespace bullpen {
namespace {

/// With what reloads of a server that can do them need: room for more workers, and for new ones beside those
/// that leave.
std::vector<PoolOptions> with_room(std::vector<PoolOptions> pools, bool reloads) {
    constexpr int reserve = 4;
    for (PoolOptions& pool : pools)
        if (reloads) {
            pool.reserve = pool.design.lends_listener ? 0 : reserve;  // Two would give it away twice.
            pool.workers_most = 2 * limits_for(pool.design, pool.limits).workers_max;
        }
    return pools;
}

/// Before the first descriptor is opened.
MasterOptions prepare(ServerOptions options) {
    fill_standard_descriptors();
    ignore_write_signals();
    need_stack();
    open_log(options.log);
    return {.name = options.name,
            .version = BULLPEN_VERSION,
            .pools = with_room(std::move(options.pools), options.make_again != nullptr),
            .drain_timeout = options.drain_timeout,
            .master_timeout = options.master_timeout,
            .upgrade_timeout = options.upgrade_timeout,
            .process_titles = options.process_titles};
}

ServerOptions without_pools(ServerOptions options) {
    options.pools.clear();
    return options;
}

std::vector<Listener> open_metrics(const std::string& address, Inheritance& inheritance) {
    if (address == "off") return {};
    std::vector<Listener> inherited = inheritance.take("metrics", address, {});
    return inherited.empty() ? open_listeners(resolve_stream(address), address, {}) : std::move(inherited);
}

std::vector<ExportedPool> exported(const std::list<Pool>& pools) {
    std::vector<ExportedPool> all;
    for (const Pool& pool : pools) {
        if (pool.is_leaving()) continue;
        ExportedPool one{.name = pool.options().name,
                         .listeners = {},
                         .scoreboard_fd = pool.scoreboard_fd(),
                         .slots = pool.slots()};
        for (std::size_t i = 0; i < pool.listeners().size(); ++i)
            one.listeners.push_back(pool.is_in_service(i) ? pool.listeners()[i].address().text() : "");
        all.push_back(std::move(one));
    }
    return all;
}

Companion make_exporter(const std::vector<Listener>& listeners, const std::list<Pool>& pools) {
    std::vector<int> descriptors;
    for (const Listener& listener : listeners)
        descriptors.push_back(listener.fd());
    Companion exporter{.title = "metrics", .keep = descriptors, .body = {}};
    for (const Pool& pool : pools)
        exporter.keep.push_back(pool.scoreboard_fd());
    exporter.body = [descriptors, all = exported(pools)](int lifeline) {
        return run_exporter(descriptors, lifeline, {.pools = all, .version = BULLPEN_VERSION});
    };
    return exporter;
}

}  // namespace

RunningServer::RunningServer(ServerOptions options)
    : started_with_{without_pools(options)},
      pid_file_{started_with_.pid_file, "pid file", std::to_string(::getpid()) + "\n"},
      master_{prepare(std::move(options))},
      metrics_{open_metrics(started_with_.metrics, master_.inheritance())},
      port_file_{started_with_.port_file, "port file", port_file_text(bound())} {
    const auto exporter = [this]() -> std::optional<Companion> {
        if (metrics_.empty()) return {};
        return make_exporter(metrics_, master_.pools());
    };
    if (std::optional<Companion> companion = exporter()) master_.add_companion(std::move(*companion));
    for (const Listener& listener : metrics_)
        master_.pass_on({"metrics", started_with_.metrics, listener.fd()});
    if (std::optional<Listener> socket =
            open_control(started_with_.control, started_with_.name, master_.inheritance())) {
        master_.pass_on({"control", socket->address().text(), socket->fd()});
        master_.open_control(Control{std::move(*socket)});
    }
    if (!started_with_.make_again) return;
    const auto make = [this](const std::string& text) {
        return configuration_of(started_with_.make_again(text));
    };
    master_.reload_from({.read = started_with_.read_again, .make = make}, [this, exporter] {
        port_file_.replace(port_file_text(bound()));
        return exporter();
    });
}

int RunningServer::run(const std::function<void()>& ready) {
    const int result = master_.run([&] {
        pid_file_.publish();
        port_file_.publish();
        ready();
        if (started_with_.on_ready) call_on_ready(started_with_.on_ready, bound(), master_.inherited());
    });
    for (Listener& listener : metrics_)
        if (master_.has_successor())
            listener.leave_to_twin();
        else if (master_.has_taken_over())
            listener.own_file();
    return result;
}

BoundAddresses RunningServer::bound() const {
    BoundAddresses all;
    for (const Pool& pool : pools())
        for (std::size_t i = 0; i < pool.listeners().size() && !pool.is_leaving(); ++i)
            if (pool.is_in_service(i))
                all.pools.push_back({.pool = pool.options().name, .address = pool.listeners()[i].address()});
    for (const Listener& listener : metrics_)
        all.metrics.push_back(listener.address());
    return all;
}

Configuration RunningServer::configuration_of(ServerOptions options) const {
    constexpr std::array fixed = {"name", "metrics", "control", "pid_file", "port_file", "log", "log_format"};
    for (const Setting<MasterSettings>& setting : master_settings()) {
        const std::string now = text_of<MasterSettings>(setting, started_with_);
        const std::string wanted = text_of<MasterSettings>(setting, options);
        if (now != wanted && std::find(fixed.begin(), fixed.end(), setting.key) != fixed.end())
            throw std::invalid_argument{std::string{setting.key} + ": a reload can't change '" + now +
                                        "' to '" + wanted + "'; it needs a new start"};
    }
    return {.pools = with_room(std::move(options.pools), true),
            .log_level = options.log.level,
            .drain_timeout = options.drain_timeout,
            .master_timeout = options.master_timeout,
            .upgrade_timeout = options.upgrade_timeout};
}

}  // namespace bullpen
