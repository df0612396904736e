/// In which order the runs of a comparison are made, and how long they take.
#pragma once

#include <string>
#include <vector>

#include "servers/bench/compare/bench.hpp"
#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/contender.hpp"

namespace bullpen {

/// A workload, the requests of its clients, and the contenders that are measured under it.
struct Event {
    Workload workload;
    std::vector<RequestClass> requests;
    std::vector<Contender> contenders;
    std::vector<LeftOut> left_out;
};

/// Seconds, if every run takes all its time.
double longest_s(const std::vector<Event>& events, int repeat) noexcept;

/// "at most 2 min 10 s"
std::string time_text(double seconds);

/// Workload after workload; under each one run of every contender, then the next of every one (A B C A B C):
/// what changes on the machine meanwhile meets all of them. One that fails is not run again. After an
/// interruption there are fewer runs.
std::vector<WorkloadResult> run_all(const std::vector<Event>& events, int repeat, Bench& bench);

}  // namespace bullpen
