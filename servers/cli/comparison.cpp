#include "servers/cli/comparison.hpp"

#include <algorithm>
#include <numeric>

namespace bullpen {

long Measurement::failed() const noexcept {
    return std::accumulate(errors.begin(), errors.end(), 0L);
}

double Measurement::requests_per_s() const noexcept {
    return wall_s > 0 ? static_cast<double>(requests) / wall_s : 0;
}

double Measurement::client_share() const noexcept {
    return wall_s > 0 ? client_cpu_s / wall_s : 0;
}

double Measurement::others_share(int cpus) const noexcept {
    if (wall_s <= 0 || cpus <= 0) return 0;
    const double ours_s = client_cpu_s + cpu_us_per_request() * static_cast<double>(requests) / 1e6;
    return std::max(0.0, machine_busy - ours_s / (wall_s * cpus));
}

double Measurement::cpu_us_per_request() const noexcept {
    const long served = requests + warm_up_requests;
    return served > 0 ? std::max(0.0, server_cpu_s - start_stop_cpu_s) * 1e6 / static_cast<double>(served)
                      : 0;
}

std::optional<double> Comparison::iterative_cpu_us() const noexcept {
    for (const Measurement& measurement : measurements)
        if (measurement.model == "iterative" && measurement.failure.empty())
            return measurement.cpu_us_per_request();
    return std::nullopt;
}

}  // namespace bullpen
