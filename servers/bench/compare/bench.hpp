/// Where models are measured: each run has a server of its own and the same load.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "servers/bench/compare/comparison.hpp"
#include "servers/bench/compare/contender.hpp"
#include "servers/bench/load/datagram_load.hpp"
#include "servers/bench/load/interruption.hpp"
#include "servers/bench/load/load.hpp"
#include "servers/bench/text/progress_line.hpp"

namespace bullpen {

/// One sentence on why a run has no numbers.
struct RunFailed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Bench {
public:
    /// Both are borrowed.
    Bench(const Interruption& interruption, ProgressLine& progress)
        : interruption_{interruption}, progress_{progress} {}

    /// Starts the contender's server, warms it up, loads it, looks at its memory and stops it; before its
    /// first run also what starting and stopping costs when nobody comes. `stage` begins the progress line.
    /// Nothing after an interruption. Throws RunFailed.
    std::optional<Run> run(const Contender& contender, const std::vector<RequestClass>& requests,
                           const std::string& stage);

    [[nodiscard]] bool interrupted() const noexcept { return interruption_.came(); }

private:
    Usage start_and_stop(const Contender& contender, const std::string& stage);
    void load(const MeasuredServer& server, const Workload& workload,
              const std::vector<RequestClass>& requests, const std::string& stage, Run& run);
    void load_by_datagrams(const MeasuredServer& server, const Workload& workload, const std::string& stage,
                           Run& run);
    LoadResult drive(const MeasuredServer& server, const LoadOptions& load, const std::string& stage);
    DatagramLoadResult drive(const MeasuredServer& server, const DatagramLoadOptions& load,
                             const std::string& stage);
    [[nodiscard]] bool wait_until_ready(const MeasuredServer& server) const;

    const Interruption& interruption_;
    ProgressLine& progress_;
    std::map<std::string, Usage> start_stop_;  ///< By the contender's name and service.
};

}  // namespace bullpen
