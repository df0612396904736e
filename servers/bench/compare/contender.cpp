#include "servers/bench/compare/contender.hpp"

#include <algorithm>

#include "servers/models/models.hpp"

namespace bullpen {
namespace {

bool makes_worker_per_client(const Model& model) noexcept {
    return model.delivery == Delivery::fork || model.name == thread_per_client.name;
}

}  // namespace

std::variant<Contender, LeftOut> make_contender(const Design& design, const Service& service,
                                                const ServiceOptions& options, int workers, int threads,
                                                int concurrency) {
    // A worker per client: so many that the cap is not what is measured. Some have ended but are not buried.
    constexpr int dead_ones = 64;
    const bool per_client = makes_worker_per_client(design.model);
    int slots = per_client ? std::max(workers, concurrency + dead_ones) : workers;
    if (design.threaded) slots = (slots + threads - 1) / threads * threads;
    PoolOptions pool;
    pool.name = design.name;
    pool.model = design.model;
    pool.threads = design.threaded ? threads : 1;
    pool.accept_lock = design.accept_lock;
    pool.limits = {.policy = SizingPolicy::fixed, .workers_start = slots, .workers_max = slots};
    const char* missing = nullptr;
    switch (design.model.form) {
        case Form::blocking:
            if (service.make != nullptr)
                pool.handler = service.make(options);
            else
                missing = "blocking";
            break;
        case Form::asynchronous:
            if (service.make_async != nullptr)
                pool.async_handler = service.make_async(options);
            else
                missing = "asynchronous";
            break;
        case Form::program:
            if (service.make_program != nullptr)
                pool.program = service.make_program(options);
            else
                missing = "program's";
            break;
    }
    if (missing != nullptr)
        return LeftOut{
            .model = design.name,
            .reason = "the service " + std::string{service.name} + " has no " + missing + " form."};
    return Contender{
        .name = design.name,
        .service = std::string{service.name},
        .server = {.pool = std::move(pool), .starts_workers = !per_client},
        .worker_per_client = per_client,
    };
}

}  // namespace bullpen
