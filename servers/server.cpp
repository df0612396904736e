#include "servers/server.hpp"

#include <cstdio>
#include <exception>
#include <stdexcept>

#include "metrics/exporter.hpp"
#include "servers/models/models.hpp"
#include "servers/serve.hpp"

namespace bullpen {
namespace {

std::optional<Listener> open_metrics(const std::string& address) {
    if (address == "off") return {};
    return std::move(open_listeners(address, {}).front());
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

Companion make_exporter(const Listener& listener, const std::deque<Pool>& pools) {
    Companion exporter{.title = "metrics", .keep = {listener.fd()}, .body = {}};
    for (const Pool& pool : pools)
        exporter.keep.push_back(pool.scoreboard_fd());
    exporter.body = [fd = listener.fd(), all = exported(pools)](int lifeline) {
        return run_exporter(fd, lifeline, {.pools = all, .version = BULLPEN_VERSION});
    };
    return exporter;
}

}  // namespace

Server::Server(ServerOptions options)
    : master_{{.pools = std::move(options.pools), .drain_timeout = options.drain_timeout}},
      metrics_{open_metrics(options.metrics)} {
    if (metrics_) master_.add_companion(make_exporter(*metrics_, master_.pools()));
}

std::optional<Address> Server::metrics_address() const noexcept {
    if (!metrics_) return {};
    return metrics_->address();
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

namespace {

void check(const Options& options, const Model& model) {
    const auto at_least = [](int value, int least, const char* name) {
        if (value < least)
            throw std::invalid_argument{std::string{name} + " must be at least " + std::to_string(least) +
                                        ", not " + std::to_string(value)};
    };
    at_least(options.limits.workers_max, 1, "workers_max");
    at_least(options.limits.spare_max, options.limits.spare_min, "spare_max");
    at_least(options.threads, 1, "threads");
    at_least(options.capacity, 1, "capacity");
    if (options.threads != 1 && !model.takes_threads)
        throw std::invalid_argument{"threads go with model prefork, not with model " + options.model};
    at_least(options.queue_max, 0, "queue_max");
    at_least(options.connections_max, 0, "connections_max");
    at_least(options.time_limits.body_rate, 0, "body_rate");
    at_least(options.time_limits.write_rate, 0, "write_rate");
    const bool asks_master = options.handoff_when == HandoffWhen::readable || options.queue_max > 0 ||
                             options.connections_max > 0 ||
                             Admission{options.admission, options.listen}.enabled();
    if (asks_master && !model.master_accepts())
        throw std::invalid_argument{
            "handoff_when, queue_max, connections_max and admission go with models whose master accepts, not "
            "with model " +
            options.model};
    if (options.await_next != Options{}.await_next && !model.parks())
        throw std::invalid_argument{"await_next goes with model prefork, not with model " + options.model};
    if (options.request_limit.count() != 0 && !model.limits_requests())
        throw std::invalid_argument{"request_limit doesn't go with model " + options.model +
                                    ": the process that it would end serves other clients, too"};
}

/// `set` puts the service's form, which is `form`, into the pool.
int serve_form(const Options& options, Form form, const std::function<void(PoolOptions&)>& set) {
    return exit_status_of([&] {
        const Model* found = find_model(options.model);
        if (found == nullptr)
            throw std::invalid_argument{"there is no model '" + options.model + "', see bullpen models"};
        const Model& model = *found;
        if (model.form != form)
            throw std::invalid_argument{"model " + options.model + " doesn't run this kind of handler"};
        check(options, model);
        PoolOptions pool;
        pool.name = options.name;
        pool.listen = options.listen;
        pool.model = model;
        pool.limits = options.limits;
        pool.threads = options.threads;
        pool.capacity = options.capacity;
        pool.time_limits = options.time_limits;
        pool.request_limit = options.request_limit;
        pool.request_grace = options.request_grace;
        pool.await_next = options.await_next;
        pool.stopped_limit = options.stopped_limit;
        pool.handoff_when = options.handoff_when;
        pool.admission = options.admission;
        pool.queue_max = options.queue_max;
        pool.queue_wait = options.queue_wait;
        pool.refusal = options.refusal;
        pool.connections_max = static_cast<std::size_t>(options.connections_max);
        set(pool);
        ServerOptions server;
        server.pools.push_back(std::move(pool));
        server.metrics = options.metrics;
        server.drain_timeout = options.drain_timeout;
        Events::hold_signals();
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
