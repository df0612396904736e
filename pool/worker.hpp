/// A worker, from the inside: what a model's work() does its job with.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "core/channel.hpp"
#include "core/connection.hpp"
#include "core/handler.hpp"
#include "core/listener.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// A connection on its way to the handler.
struct Client {
    Connection connection;
    std::uint64_t accepted_ns = 0;  ///< CLOCK_MONOTONIC.
};

/// Exit statuses of a worker, which the master reads at its burial.
constexpr int worker_exit_retired = 0;
constexpr int worker_exit_crashed = 1;
constexpr int worker_exit_descriptors = 76;

/// What a worker is born with. All descriptors are borrowed from the slot or the pool.
struct WorkerSeat {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    pid_t master = 0;
    int channel = -1;  ///< The worker's end; -1 where the model has none.
    int wake = -1;     ///< The eventfd on which the master waits.
    std::span<const Listener> listeners;
    bool batch = false;    ///< Run under SCHED_BATCH, see PoolOptions::batch_workers.
    bool accepts = false;  ///< The model's workers accept on the listeners themselves.
    std::chrono::seconds drain_timeout{30};
};

/// Lives in the worker's process, which serves one client at a time. SIGTERM means: finish, serve what the
/// channel (or the backlog) holds, exit. The same happens when the master dies (PR_SET_PDEATHSIG, or end of
/// file on the channel); then the worker ends at the latest after drain_timeout. SIGINT, SIGQUIT and SIGHUP
/// are ignored: they go to the whole group, and the master decides.
class Worker {
public:
    /// Signals come in from here on. `scoreboard` must already be reduced to the slot's own row.
    Worker(const WorkerSeat& seat, Scoreboard& scoreboard, const Handler& handler);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Tells the master that this worker can serve. The models call it once, before the first client.
    void ready() noexcept;

    /// Waits for the next client that the master hands over. Nothing: it is time to exit.
    std::optional<Client> next_handed_off();

    /// Waits for and accepts the next client on the pool's listeners (one or several). Nothing: time to exit.
    std::optional<Client> next_accepted();

    /// The client this worker was forked for.
    std::optional<Client> forked_for() noexcept;
    void set_forked_for(Envelope envelope) noexcept;

    /// Runs the handler, closes the connection, says in the row how it ended, and wakes the master if it
    /// waits.
    void serve(Client client) noexcept;

private:
    Connection adopt(UniqueFd socket, bool inherits_options) const noexcept;
    Client unpack(Envelope envelope) const noexcept;
    [[nodiscard]] bool wait_for_client();

    WorkerSeat seat_;
    ScoreboardHeader& header_;
    ScoreboardRow& row_;
    const Handler& handler_;
    std::optional<Client> forked_for_;
    std::size_t ready_listener_ = 0;
};

}  // namespace bullpen
