#include "servers/cli/contender.hpp"

#include <algorithm>

namespace bullpen {

std::variant<Contender, LeftOut> make_contender(const Model& model, const Service& service,
                                                const ServiceOptions& options, int workers, int concurrency) {
    // A worker per client: so many that the cap is not what is measured. Some have ended but are not buried.
    constexpr int dead_ones = 64;
    const bool forks = model.delivery == Delivery::fork;
    const int slots = forks ? std::max(workers, concurrency + dead_ones) : workers;
    return Contender{
        .name = std::string{model.name},
        .service = std::string{service.name},
        .server =
            {
                .model = model,
                .handler = service.make(options),
                .limits = {.policy = SizingPolicy::fixed, .workers_start = slots, .workers_max = slots},
            },
        .process_per_connection = forks,
    };
}

}  // namespace bullpen
