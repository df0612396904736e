#include "servers/bench/compare/rounds.hpp"

#include <algorithm>
#include <cmath>
#include <exception>

#include "servers/bench/text/number_text.hpp"

namespace bullpen {
namespace {

/// Starting a server, stopping it, and looking at its memory.
constexpr double around_a_run_s = 0.6;

double run_s(const Workload& workload) noexcept {
    return workload.duration_s + warm_up_s + around_a_run_s;
}

/// Says how much is left, from what is still to be run.
class Countdown {
public:
    explicit Countdown(double left_s) : left_s_{left_s} {}

    void passed(double seconds) { left_s_ = std::max(0.0, left_s_ - seconds); }
    [[nodiscard]] std::string text() const { return time_text(left_s_); }

private:
    double left_s_;
};

void run_once(const Event& event, std::size_t place, const std::string& stage, Bench& bench,
              WorkloadResult& result) {
    Measurement& measurement = result.measurements[place];
    if (!measurement.failure.empty()) return;
    try {
        if (auto run = bench.run(event.contenders[place], event.requests, stage))
            measurement.runs.push_back(std::move(*run));
    } catch (const std::exception& error) {
        if (!bench.interrupted()) measurement.failure = error.what();
    }
}

WorkloadResult nothing_yet(const Event& event) {
    WorkloadResult result{.workload = event.workload, .left_out = event.left_out};
    for (const Contender& contender : event.contenders)
        result.measurements.push_back(
            {.model = contender.name, .worker_per_client = contender.worker_per_client});
    return result;
}

}  // namespace

double longest_s(const std::vector<Event>& events, int repeat) noexcept {
    double seconds = 0;
    for (const Event& event : events) {
        const auto contenders = static_cast<double>(event.contenders.size());
        seconds += contenders * (repeat * run_s(event.workload) + around_a_run_s);
    }
    return seconds;
}

std::string time_text(double seconds) {
    const long all = std::max(1L, std::lround(std::ceil(seconds)));
    constexpr long minute = 60;
    if (all < 2 * minute) return std::to_string(all) + " s";
    return std::to_string((all + minute - 1) / minute) + " min";
}

std::vector<WorkloadResult> run_all(const std::vector<Event>& events, int repeat, Bench& bench) {
    std::vector<WorkloadResult> results;
    Countdown countdown{longest_s(events, repeat)};
    for (const Event& event : events) {
        results.push_back(nothing_yet(event));
        for (int round = 1; round <= repeat; ++round) {
            for (std::size_t place = 0; place < event.contenders.size(); ++place) {
                if (bench.interrupted()) return results;
                const std::string stage = "at most " + countdown.text() + " left; " + event.workload.name +
                                          ", " + std::to_string(round) + " of " + std::to_string(repeat) +
                                          ", " + event.contenders[place].name + ": ";
                run_once(event, place, stage, bench, results.back());
                countdown.passed(run_s(event.workload) + (round == 1 ? around_a_run_s : 0));
            }
        }
    }
    return results;
}

}  // namespace bullpen
