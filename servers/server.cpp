#include <bullpen/server.hpp>

#include <errno.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <bullpen/serve.hpp>
#include "core/second_thread.hpp"
#include "core/standard_descriptors.hpp"
#include "pool/keeper.hpp"
#include "servers/exit_status.hpp"
#include "servers/running_server.hpp"
#include "servers/server_pools.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {
namespace {

/// Sets what pools say of the whole server, which must be one thing.
template <typename T>
void take_common(const std::vector<Part>& parts, T Options::*field, const char* name, T& into) {
    const Options defaults;
    into = defaults.*field;
    for (const Part& part : parts) {
        const T& said = part.options.*field;
        if (said == defaults.*field) continue;
        if (into != defaults.*field && into != said)
            throw SettingError{std::string{name} +
                               ": it is the whole server's, and two pools say different things of it"};
        into = said;
    }
}

void take_on_ready(const std::vector<Part>& parts, ServerOptions& server) {
    for (const Part& part : parts) {
        if (!part.options.on_ready) continue;
        if (server.on_ready) throw SettingError{"on_ready: it is the whole server's, and two pools have one"};
        server.on_ready = part.options.on_ready;
    }
}

PoolOptions make_pool(const Part& part, const std::string& place) {
    PoolOptions pool = make_pool(part.options, part.form, place);
    pool.handler = part.handler;
    pool.async_handler = part.async_handler;
    pool.program = part.program;
    return pool;
}

void need_names(const std::vector<Part>& parts) {
    for (auto part = parts.begin(); part != parts.end(); ++part)
        if (std::any_of(parts.begin(), part,
                        [&](const Part& other) { return other.options.name == part->options.name; }))
            throw SettingError{"two pools are called '" + part->options.name +
                               "'; each needs a name of its own"};
}

ServerOptions options_of(const std::vector<Part>& parts) {
    if (parts.empty()) throw SettingError{"the server has no pool; add() adds one"};
    ServerOptions server;
    for (const Part& part : parts)
        server.pools.push_back(make_pool(part, parts.size() > 1 ? "pool " + part.options.name : ""));
    need_names(parts);
    server.name = parts.front().options.name;
    take_common(parts, &Options::metrics, "metrics", server.metrics);
    take_common(parts, &Options::control, "control", server.control);
    take_common(parts, &Options::pid_file, "pid_file", server.pid_file);
    take_common(parts, &Options::log, "log", server.log.to);
    take_common(parts, &Options::log_level, "log_level", server.log.level);
    take_common(parts, &Options::log_format, "log_format", server.log.format);
    take_common(parts, &Options::drain_timeout, "drain_timeout", server.drain_timeout);
    take_common(parts, &Options::master_timeout, "master_timeout", server.master_timeout);
    take_common(parts, &Options::upgrade_timeout, "upgrade_timeout", server.upgrade_timeout);
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
        ::program_invocation_short_name);
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

int serve(Options options, Program program) {
    return Server{}.add(std::move(options), std::move(program)).run();
}

}  // namespace bullpen
