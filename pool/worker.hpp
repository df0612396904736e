/// A worker: one slot's occupant, in its own process or a thread of one.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "core/clock.hpp"
#include "core/handler.hpp"
#include "pool/acceptor.hpp"
#include "pool/client.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

class ServedConnection;
class WorkerProcess;

/// Used by one thread, which is the only writer of the slot's row.
class Worker {
public:
    Worker(WorkerProcess& process, ScoreboardRow& row, int channel) noexcept;
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Tells the master that this worker can serve. The models call it once, before the first client.
    void ready() noexcept;

    /// The same of a worker that has no thread yet.
    void announce_ready() noexcept;

    /// Waits for the next client that the master hands over, having woken the master if that waits for
    /// somebody to fall idle. Nothing: it is time to leave.
    std::optional<Client> next_handed_off();

    /// The same without waiting, and whether it is time to leave, for a worker that waits for more than that.
    struct Polled {
        std::optional<Client> client = {};
        bool leave = false;
    };
    Polled poll_handed_off();

    /// Waits for and accepts the next client on the pool's listeners. Nothing: it is time to leave.
    std::optional<Client> next_accepted();

    /// Runs the blocking handler until it is done with the client, closes the connection, and says in the row
    /// how it ended; or gives it back to the master, to be parked.
    void serve(Client client) noexcept;

    // The two ends of serve(), for models with several connections at once.

    /// The connection is the handler's from here on; its beginning, CLOCK_MONOTONIC.
    std::uint64_t begin(const Client& client) noexcept;

    /// Its end, after the close. `Served` is a ServedConnection or an AsyncConnection.
    template <typename Served>
    void end(std::uint64_t begun_ns, const Served& connection, bool handler_threw) noexcept {
        end(begun_ns, outcome_of(connection, handler_threw));
    }

    /// After an end(), for who doesn't call next_handed_off(): the master may wait for it.
    void wake_waiting_master() noexcept;

    [[nodiscard]] int channel() const noexcept { return channel_; }
    [[nodiscard]] ScoreboardRow& row() const noexcept { return row_; }

    // For the process that has several workers. Any thread may call them.

    /// What the row's activity says from now on, when no connection is there.
    void set_idle() noexcept;
    void set_absent() noexcept;
    [[nodiscard]] Activity activity() const noexcept;

    /// Retires this worker alone: it leaves as soon as its wait is interrupted.
    void tell_to_leave(bool leave) noexcept { leave_ = leave; }
    [[nodiscard]] bool told_to_leave() const noexcept { return leave_; }

    /// Whether to go on waiting for clients.
    [[nodiscard]] Leave leave() const noexcept;

private:
    enum class Took { client, nothing, leave };
    Took receive(bool wait, std::optional<Client>& client);
    [[nodiscard]] Next handle(ServedConnection& served);
    [[nodiscard]] bool give_back(ServedConnection& served, Next next, const Client& client) noexcept;
    void end(std::uint64_t begun_ns, SharedCounter& outcome) noexcept;
    void end_turn(std::uint64_t begun_ns) noexcept;
    void stop_working(std::uint64_t begun_ns) noexcept;

    /// What became of a connection, by what its handler did to it.
    template <typename Served>
    SharedCounter& outcome_of(const Served& connection, bool handler_threw) noexcept {
        if (connection.client_gone()) return row_.client_aborted;
        if (connection.stopping() && !connection.touched() && !handler_threw) return row_.refused;
        if (connection.exceeded() != Limit::none)
            return row_.timed_out[static_cast<std::size_t>(connection.exceeded())];
        return handler_threw ? row_.failed : row_.completed;
    }

    WorkerProcess& process_;
    ScoreboardRow& row_;
    int channel_;
    Acceptor acceptor_;
    std::uint64_t serving_ = 0;  ///< Connections now.
    std::uint64_t serving_since_ns_ = 0;
    std::atomic<bool> leave_{false};
};

/// In a catch-all around a handler: logs what it threw, unless that says only that the client left or was too
/// slow. Whether it is a failure of the handler.
bool handler_failed() noexcept;

}  // namespace bullpen
