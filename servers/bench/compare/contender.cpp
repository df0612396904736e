#include "servers/bench/compare/contender.hpp"

#include <algorithm>

#include <bullpen/clock.hpp>
#include "servers/models/models.hpp"
#include "servers/services/form.hpp"
#include "servers/settings/make_pool.hpp"

namespace bullpen {
namespace {

const char* name_of(Form form) noexcept {
    switch (form) {
        case Form::blocking: return "blocking";
        case Form::asynchronous: return "asynchronous";
        case Form::program: return "program's";
        case Form::datagram: return "datagrams'";
    }
    return "";
}

/// A port that the kernel chooses, or a name that is no file (unix(7)) and no other program's.
std::string listener_for(const Workload& workload) {
    const std::string own_name = "@bullpen-compare-" + std::to_string(monotonic_ns());
    if (workload.transport == "unix") return "unix:" + own_name;
    if (workload.transport == "unixgram") return "unixgram:" + own_name;
    return workload.transport == "udp" ? "udp:127.0.0.1:0" : "127.0.0.1:0";
}

bool makes_worker_per_client(const Model& model) noexcept {
    return model.delivery == Delivery::fork || model.name == thread_per_client.name;
}

}  // namespace

std::variant<Contender, LeftOut> make_contender(const Design& design, const Service& service,
                                                const ServiceOptions& options, int workers, int threads,
                                                const Workload& workload) {
    // A worker per client: slots for all clients and for workers that have ended and are not reaped yet, so
    // that the cap is not what is measured.
    constexpr int dead_ones = 64;
    const bool per_client = makes_worker_per_client(design.model);
    int slots = per_client ? std::max(workers, workload.concurrency + dead_ones) : workers;
    if (design.threaded) slots = (slots + threads - 1) / threads * threads;
    const bool datagrams = sends_datagrams(workload);
    if (datagrams && design.model.work_datagrams == nullptr)
        return LeftOut{.model = design.name, .reason = "it serves connections, and no datagrams."};
    const Form form = datagrams ? Form::datagram : design.model.form;
    if (!has_form(service, form))
        return LeftOut{
            .model = design.name,
            .reason = "the service " + std::string{service.name} + " has no " + name_of(form) + " form."};
    PoolSettings settings{.service = std::string{service.name}, .of_service = options, .workers = slots};
    settings.pool.listen = {listener_for(workload)};
    settings.pool.model = design.model.name;
    settings.given.emplace("model");
    if (design.model.takes_threads) settings.pool.threads = design.threaded ? threads : 1;
    settings.pool.accept_lock = design.accept_lock;
    const int at_once = workload.idle + 2 * workload.concurrency;  // With as many that have just ended.
    if (design.model.multiplexes) settings.pool.capacity = std::max(settings.pool.capacity, at_once);
    if (const int most = design.model.capacity_most; most > 0 && settings.pool.capacity > most)
        return LeftOut{
            .model = design.name,
            .reason = "it holds at most " + std::to_string(most) + " connections, with FD_SETSIZE 1024."};
    PoolOptions pool = make_pool(design.name, settings, "", spell_as_key);
    return Contender{
        .name = design.name,
        .service = std::string{service.name},
        .workload = workload,
        .server = {.pool = std::move(pool), .starts_workers = !per_client},
        .worker_per_client = per_client,
    };
}

}  // namespace bullpen
