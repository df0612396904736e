#include "servers/cli/serve.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/log.hpp"
#include "core/printable.hpp"
#include "core/process.hpp"
#include "core/resolve.hpp"
#include "core/write_now.hpp"
#include "pool/inheritance.hpp"
#include "pool/keeper.hpp"
#include "servers/cli/output.hpp"
#include "servers/control_socket.hpp"
#include "servers/running_server.hpp"
#include "servers/settings/config_file.hpp"
#include "servers/settings/make_pool.hpp"
#include "servers/settings/sample_file.hpp"

namespace bullpen {
namespace {

bool any_given(const FlagValues& values) {
    return std::any_of(values.begin(), values.end(), [](const auto& flag) { return !flag.second.empty(); });
}

/// The pool that flags are for, in a file that may have several.
PoolSettings& pool_for_flags(Settings& settings, const ServeArguments& arguments) {
    std::string names;
    for (auto& [name, pool] : settings.pools) {
        if (name == arguments.pool_name) return pool;
        names += (names.empty() ? "" : ", ") + name;
    }
    if (arguments.pool_name.empty())
        throw SettingError{"a pool's flags beside " + arguments.config + " need --pool POOL; it has " +
                           names};
    throw SettingError{"--pool: " + arguments.config + " has no pool '" + arguments.pool_name + "'; it has " +
                       names};
}

ServerOptions make_server(const Settings& settings, const std::string& file) {
    ServerOptions server;
    static_cast<MasterSettings&>(server) = settings.master;
    for (const auto& [name, pool] : settings.pools) {
        const std::string place = file.empty() ? "" : file + ": [pool." + name + "]";
        server.pools.push_back(make_pool(name, pool, place, file.empty() ? spell_as_flag : spell_as_key));
    }
    return server;
}

std::string url_of(const Address& address, bool http) {
    const bool tcp = address.family() != AF_UNIX;
    return http && tcp ? "http://" + address.text() + "/" : address.text();
}

/// A line that can't be written now is dropped: the server serves whether anybody reads that or not.
void announce(const std::string& line) {
    write_now(STDOUT_FILENO, "bullpen: " + printable(line) + "\n");
}

void announce(const RunningServer& server, const Settings& settings) {
    auto described = settings.pools.begin();
    for (const Pool& running : server.pools()) {
        const auto& [name, pool] = *described++;
        const std::string suffix = name == "default" ? "" : " (pool " + name + ")";
        for (const Listener& listener : running.listeners())
            announce("serving " + pool.service + " at " + url_of(listener.address(), pool.service == "http") +
                     suffix);
    }
    for (const Listener& listener : server.metrics())
        announce("metrics at " + url_of(listener.address(), true) + "metrics");
    announce("ready, stop it with Ctrl-C or SIGTERM");
}

}  // namespace

Settings settings_from(const ServeArguments& arguments, const std::string& text) {
    Settings settings;
    if (arguments.config.empty()) {
        if (!arguments.pool_name.empty()) throw SettingError{"--pool goes with --config FILE"};
        settings.pools.emplace_back();
        apply_flags(settings.pools.front().second, pool_settings(), arguments.pool);
    } else {
        settings = read_config(text, arguments.config);
        if (any_given(arguments.pool))
            apply_flags(pool_for_flags(settings, arguments), pool_settings(), arguments.pool);
        else if (!arguments.pool_name.empty())
            pool_for_flags(settings, arguments);
    }
    apply_flags(settings.master, master_settings(), arguments.master);
    if (arguments.config.empty()) settings.pools.front().first = settings.master.name;
    return settings;
}

int run_serve(const ServeArguments& arguments) {
    const bool has_file = !arguments.config.empty();
    const Settings settings = settings_from(arguments, has_file ? text_of_config_file(arguments.config) : "");
    const std::array kept = {channel_to_predecessor(), descriptor_of_log(settings.master.log.to)};
    close_all_except(kept);  // Whatever else the shell leaked is no worker's.
    ServerOptions options = make_server(settings, arguments.config);
    if (has_file) {
        options.read_again = [&] { return text_of_config_file(arguments.config); };
        options.make_again = [&](const std::string& text) {
            return make_server(settings_from(arguments, text), arguments.config);
        };
    }
    Keeper::hold_signals();
    RunningServer server{std::move(options)};
    return server.run([&] { announce(server, settings); });
}

int run_print_sample() {
    print(sample_file());
    return 0;
}

int run_check_config(const std::string& file) {
    const Settings settings = read_config_file(file);
    const ServerOptions server = make_server(settings, file);
    for (const PoolOptions& pool : server.pools)
        for (const std::string& text : pool.listen)
            resolve(text);
    if (server.metrics != "off") resolve_stream(server.metrics);
    if (server.control != "off" && server.control != "auto") control_address(server.control, server.name);
    std::string answer = file + " is fine.\n";
    for (const auto& [name, pool] : settings.pools) {
        std::string listen;
        for (const std::string& text : pool.pool.listen)
            listen += (listen.empty() ? "" : ", ") + text;
        answer +=
            "  pool " + name + ": " + pool.service + " on " + listen + ", model " + pool.pool.model + "\n";
    }
    print(answer + "  metrics: " + settings.master.metrics + "\n");
    return 0;
}

}  // namespace bullpen
