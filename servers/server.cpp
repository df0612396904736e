#include "servers/server.hpp"

#include <cstdio>
#include <exception>
#include <stdexcept>

#include "metrics/exporter.hpp"
#include "pool/keeper.hpp"
#include "servers/models/models.hpp"
#include "servers/serve.hpp"
#include "servers/settings/nearest.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {
namespace {

std::vector<Listener> open_metrics(const std::string& address) {
    return address == "off" ? std::vector<Listener>{} : open_listeners(address, {});
}

std::vector<ExportedPool> exported(const std::deque<Pool>& pools) {
    std::vector<ExportedPool> all;
    for (const Pool& pool : pools) {
        ExportedPool one{.name = pool.options().name,
                         .listeners = {},
                         .scoreboard_fd = pool.scoreboard_fd(),
                         .slots = pool.slots()};
        for (const Listener& listener : pool.listeners())
            one.listeners.push_back(listener.address().text());
        all.push_back(std::move(one));
    }
    return all;
}

Companion make_exporter(const std::vector<Listener>& listeners, const std::deque<Pool>& pools) {
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

Server::Server(ServerOptions options)
    : master_{{.pools = std::move(options.pools),
               .drain_timeout = options.drain_timeout,
               .master_timeout = options.master_timeout}},
      metrics_{open_metrics(options.metrics)} {
    if (!metrics_.empty()) master_.add_companion(make_exporter(metrics_, master_.pools()));
}

int exit_status_of(const std::function<int()>& body) noexcept {
    constexpr int could_not = 1;
    constexpr int wrong_usage = 2;
    try {
        return body();
    } catch (const std::invalid_argument& error) {
        std::fprintf(stderr, "bullpen: %s\n", error.what());
        return wrong_usage;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bullpen: %s\n", error.what());
        return could_not;
    }
}

PoolOptions make_pool(const Options& options, Form form) {
    PoolOptions pool;
    static_cast<Options&>(pool) = options;
    pool.design = choose("model", options.model, models());
    if (pool.design.form != form)
        throw std::invalid_argument{"model " + options.model + " doesn't run this kind of handler"};
    check(pool, "", spell_as_key);
    return pool;
}

namespace {

/// `set` puts the service's form, which is `form`, into the pool.
int serve_form(const Options& options, Form form, const std::function<void(PoolOptions&)>& set) {
    return exit_status_of([&] {
        PoolOptions pool = make_pool(options, form);
        set(pool);
        ServerOptions server;
        server.pools.push_back(std::move(pool));
        server.metrics = options.metrics;
        server.drain_timeout = options.drain_timeout;
        server.master_timeout = options.master_timeout;
        Keeper::hold_signals();
        return Server{std::move(server)}.run();
    });
}

}  // namespace

int serve(const Options& options, Handler handler) {
    return serve_form(options, Form::blocking, [&](PoolOptions& pool) { pool.handler = std::move(handler); });
}

int serve(const Options& options, AsyncHandler handler) {
    return serve_form(options, Form::asynchronous,
                      [&](PoolOptions& pool) { pool.async_handler = std::move(handler); });
}

int serve(const Options& options, Program program) {
    return serve_form(options, Form::program, [&](PoolOptions& pool) { pool.program = std::move(program); });
}

}  // namespace bullpen
