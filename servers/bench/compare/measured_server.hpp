/// A server to be measured: a master with one pool, in a process group of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <bullpen/address.hpp>
#include "pool/pool_options.hpp"
#include "pool/snapshot.hpp"
#include "servers/bench/compare/comparison.hpp"

namespace bullpen {

struct MeasuredServerOptions {
    PoolOptions pool;            ///< Its listener's port is 0: the kernel chooses.
    bool starts_workers = true;  ///< Before the first client.
    std::chrono::seconds start_timeout{10};
    std::chrono::seconds drain_timeout{5};
    std::chrono::seconds stop_grace{5};  ///< Beyond drain_timeout; then all its processes are killed.
};

/// The process that made it has no part in it: it holds no listener,
/// only a view of the scoreboard. Dies with its maker; the destructor ends it by force.
class MeasuredServer {
public:
    /// Throws what a Master does, or std::system_error if there is no process to be had; one sentence.
    explicit MeasuredServer(const MeasuredServerOptions& options);
    ~MeasuredServer();
    MeasuredServer(const MeasuredServer&) = delete;
    MeasuredServer& operator=(const MeasuredServer&) = delete;

    [[nodiscard]] const Address& address() const noexcept { return address_; }
    [[nodiscard]] const ScoreboardReader& scoreboard() const noexcept { return *scoreboard_; }

    /// Waits until all workers are ready; false if they don't become so, or if `keep_waiting`, which is asked
    /// now and then, says so.
    [[nodiscard]] bool wait_until_ready(const std::function<bool()>& keep_waiting) const;

    /// The master lives.
    [[nodiscard]] bool running() const noexcept;

    /// PSS of the master and of those below it.
    [[nodiscard]] MemoryUse memory() const;

    /// What the master and all its workers used over their lives, and how the master ended.
    struct End {
        Usage used;
        std::string failure;  ///< Empty: in order.
    };
    End stop() noexcept;

private:
    [[nodiscard]] bool ready() const noexcept;
    [[nodiscard]] bool exits_within(std::chrono::seconds limit) const noexcept;

    std::chrono::seconds start_timeout_;
    std::chrono::seconds stop_timeout_;
    bool starts_workers_;
    Address address_;
    std::optional<ScoreboardReader> scoreboard_;
    std::uint64_t bound_ns_ = 0;
    pid_t master_ = 0;  ///< 0: buried.
};

}  // namespace bullpen
