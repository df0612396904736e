#include "servers/cli/contender.hpp"

#include <algorithm>

#include "servers/models/models.hpp"

namespace bullpen {
namespace {

bool makes_worker_per_client(const Model& model) noexcept {
    return model.delivery == Delivery::fork || model.name == thread_per_client.name;
}

std::vector<Design> make_designs() {
    std::vector<Design> all;
    for (const Model& model : models()) {
        const Design design{.name = std::string{model.name},
                            .summary = std::string{model.summary},
                            .choose_when = std::string{model.choose_when},
                            .model = model};
        all.push_back(design);
        if (model.takes_threads) {
            Design& threaded = all.emplace_back(design);
            threaded.name += "-threads";
            threaded.summary += "; each process has several, which are threads";
            threaded.choose_when = "memory counts, and a crash may take a few clients instead of one";
            threaded.threaded = true;
        }
        if (model.locks_accept) {
            Design& file_lock = all.emplace_back(design);
            file_lock.name += "-file";
            file_lock.summary += " on a file";
            file_lock.accept_lock = AcceptLockKind::file;
            file_lock.unasked = false;
        }
    }
    return all;
}

}  // namespace

const std::vector<Design>& designs() {
    static const std::vector<Design> all = make_designs();
    return all;
}

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
