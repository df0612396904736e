/// A concurrency model: who accepts a client, and in which process its handler runs.
#pragma once

#include <string_view>

namespace bullpen {

class Worker;

/// How a client gets to a worker.
enum class Delivery {
    handoff,  ///< The master accepts and passes the descriptor to an idle worker (UNP 30.9).
    fork,     ///< The master accepts and forks a worker for this one client (UNP 30.5).
    accept,   ///< The workers accept on the listeners themselves.
};

/// One of the designs of UNP chapter 30. The master supervises the workers of any of them in the same way.
struct Model {
    std::string_view name;
    std::string_view summary;  ///< One line for the help: who accepts, where a client runs.
    Delivery delivery = Delivery::handoff;
    int workers_fixed = 0;            ///< The design has just so many workers; 0: the pool's limits say.
    void (*work)(Worker&) = nullptr;  ///< A worker's whole life; runs in the worker.
};

}  // namespace bullpen
