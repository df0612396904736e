/// Where models are measured: each gets a server of its own and the same load.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/handler.hpp"
#include "pool/model.hpp"
#include "servers/cli/comparison.hpp"
#include "servers/cli/dialogue.hpp"
#include "servers/cli/interruption.hpp"
#include "servers/cli/measured_server.hpp"
#include "servers/cli/progress_line.hpp"

namespace bullpen {

/// What is the same for every model, and where a run shows and asks how it goes.
struct Bench {
    const ComparisonSetup& setup;
    Handler handler;
    Dialogue dialogue;
    std::chrono::seconds time_limit;
    const Interruption& interruption;
    ProgressLine& progress;
};

/// Starts and stops the model's server twice: for what that costs, and under load after a warm-up. What goes
/// wrong is the measurement's `failure`. After an interruption the measurement means nothing.
Measurement measure(const Model& model, const Bench& bench);

MeasuredServerOptions server_options(const Model& model, const Handler& handler,
                                     const ComparisonSetup& setup);

}  // namespace bullpen
