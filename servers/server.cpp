#include <bullpen/server.hpp>

#include <errno.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <bullpen/serve.hpp>
#include "core/metrics.hpp"
#include "core/second_thread.hpp"
#include "core/standard_descriptors.hpp"
#include "pool/keeper.hpp"
#include "servers/exit_status.hpp"
#include "servers/running_server.hpp"
#include "servers/server_pools.hpp"
#include "servers/settings/make_pool.hpp"
#include "servers/settings/setting_value.hpp"

namespace bullpen {
namespace {

/// What the pools say of the whole server, which must be one thing.
MasterSettings common_settings(const std::vector<Part>& parts) {
    const MasterSettings defaults = master_settings_of({});
    MasterSettings common = defaults;
    for (const Part& part : parts) {
        MasterSettings said = master_settings_of(part.options);
        for (const Setting<MasterSettings>& setting : master_settings()) {
            const std::string text = text_of(setting, said);
            const std::string before = text_of(setting, common);
            const std::string unsaid = text_of(setting, defaults);
            if (text == unsaid || setting.key == "name") continue;
            if (before != unsaid && before != text)
                throw SettingError{std::string{setting.key} +
                                   ": it is the whole server's, and two pools say different things of it"};
            std::visit([&](auto member) { member(common) = member(said); }, setting.field);
        }
    }
    common.name = parts.front().options.name;
    return common;
}

void take_on_ready(const std::vector<Part>& parts, ServerOptions& server) {
    for (const Part& part : parts) {
        if (!part.options.on_ready) continue;
        if (server.on_ready) throw SettingError{"on_ready: it is the whole server's, and two pools have one"};
        server.on_ready = part.options.on_ready;
    }
}

constexpr std::string_view no_function = "handler: expected a function, got an empty one";

bool has_function(const Part& part) noexcept {
    switch (part.form) {
        case Form::blocking: return static_cast<bool>(part.handler);
        case Form::asynchronous: return static_cast<bool>(part.async_handler);
        case Form::datagram: return static_cast<bool>(part.datagram_handler);
        case Form::program: break;
    }
    return true;
}

PoolOptions make_pool(const Part& part, const std::string& place) {
    if (part.form == Form::program && part.program.argv.empty())
        throw SettingError{"the program has no argv; its first word is the path of an executable file"};
    if (!has_function(part))
        throw SettingError{(place.empty() ? "" : place + ": ") + std::string{no_function}};
    PoolOptions pool = make_pool(part.options, part.form, place);
    pool.handler = part.handler;
    pool.async_handler = part.async_handler;
    pool.program = part.program;
    pool.datagram_handler = part.datagram_handler;
    return pool;
}

void need_names(const std::vector<Part>& parts) {
    for (auto part = parts.begin(); part != parts.end(); ++part)
        if (std::any_of(parts.begin(), part,
                        [&](const Part& other) { return other.options.name == part->options.name; }))
            throw SettingError{"two pools are called '" + part->options.name +
                               "'; each needs a name of its own"};
}

void need_sound_metrics() {
    if (std::string wrong = metrics::mistake_in_metrics(); !wrong.empty()) throw std::invalid_argument{wrong};
}

ServerOptions options_of(const std::vector<Part>& parts) {
    need_sound_metrics();
    if (parts.empty()) throw SettingError{"the server has no pool; add() adds one"};
    ServerOptions server;
    static_cast<MasterSettings&>(server) = common_settings(parts);
    for (const Part& part : parts)
        server.pools.push_back(make_pool(part, parts.size() > 1 ? "pool " + part.options.name : ""));
    need_names(parts);
    server.process_titles =
        std::all_of(parts.begin(), parts.end(), [](const Part& part) { return part.options.process_titles; });
    take_on_ready(parts, server);
    return server;
}

void need_one_thread() {
    if (has_second_thread())
        throw std::invalid_argument{
            "the process has a second thread; a server must be started before the first one is"};
}

int run_server(const std::function<ServerOptions()>& make) {
    fill_standard_descriptors();
    ignore_write_signals();
    return exit_status_of(
        [&] {
            need_one_thread();
            ServerOptions options = make();
            std::fflush(nullptr);  // Or each child would write it again.
            Keeper::hold_signals();
            return RunningServer{std::move(options)}.run();
        },
        std::string{::program_invocation_short_name});  // Titles come to where it lies now.
}

}  // namespace

Server::Server() : pools_{std::make_unique<Pools>()} {}
Server::~Server() = default;
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;

Server& Server::add(Options options, PerWorker<Handler> handler) {
    pools_->parts.push_back(
        {.options = std::move(options), .form = Form::blocking, .handler = std::move(handler)});
    return *this;
}

Server& Server::add(Options options, PerWorker<AsyncHandler> handler) {
    pools_->parts.push_back(
        {.options = std::move(options), .form = Form::asynchronous, .async_handler = std::move(handler)});
    return *this;
}

Server& Server::add(Options options, PerWorker<DatagramHandler> handler) {
    pools_->parts.push_back(
        {.options = std::move(options), .form = Form::datagram, .datagram_handler = std::move(handler)});
    return *this;
}

Server& Server::add(Options options, Program program) {
    pools_->parts.push_back(
        {.options = std::move(options), .form = Form::program, .program = std::move(program)});
    return *this;
}

int Server::run() {
    return run_server([this] { return options_of(pools_->parts); });
}

int serve(const std::function<Server()>& make) {
    return run_server([&make] {
        if (!make) throw SettingError{"make: expected a function, got an empty one"};
        ServerOptions options = options_of(make().pools_->parts);
        options.read_again = [] { return std::string{}; };
        options.make_again = [&make](const std::string&) { return options_of(make().pools_->parts); };
        return options;
    });
}

int serve(Options options, PerWorker<Handler> handler) {
    return Server{}.add(std::move(options), std::move(handler)).run();
}

int serve(Options options, PerWorker<AsyncHandler> handler) {
    return Server{}.add(std::move(options), std::move(handler)).run();
}

int serve(Options options, PerWorker<DatagramHandler> handler) {
    return Server{}.add(std::move(options), std::move(handler)).run();
}

int serve(Options options, Program program) {
    return Server{}.add(std::move(options), std::move(program)).run();
}

}  // namespace bullpen
