/// A worker: the occupant of one slot, in a process of its own or a thread of one.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/datagram_handler.hpp>
#include <bullpen/detail/client_socket.hpp>
#include <bullpen/handler.hpp>
#include "core/channel.hpp"
#include "pool/acceptor.hpp"
#include "pool/client.hpp"
#include "pool/connected_peers.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

class ServedConnection;
class WorkerProcess;

/// Used by one thread, the only writer of the slot's row.
class Worker {
public:
    [[gnu::cold]] Worker(WorkerProcess& process, ScoreboardRow& row, WorkerPages pages, int channel);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Sets the handler, before the first client.
    void serve_by(Handler handler) noexcept { handler_ = std::move(handler); }
    void serve_by(DatagramHandler handler) noexcept { datagram_handler_ = std::move(handler); }
    [[nodiscard]] const DatagramHandler& datagram_handler() const noexcept { return datagram_handler_; }

    /// Tells the master that this worker can serve. The models call it once, before the first client.
    void ready() noexcept;

    /// The same for a worker that has no thread yet.
    void announce_ready() noexcept;

    /// Waits for the next client that the master hands over. Before the wait it wakes the master, if that
    /// asks to be woken when a worker falls idle. Returns nothing if it is time to leave.
    std::optional<Client> next_handed_off();

    /// The same without waiting, and whether it is time to leave: for a worker that waits on other things,
    /// too.
    struct Polled {
        std::optional<Client> client = {};
        bool leave = false;
    };
    Polled poll_handed_off();

    /// Waits for the next client on the pool's listeners and accepts it. Returns nothing if it is time to
    /// leave.
    std::optional<Client> next_accepted();

    /// Runs the blocking handler until it has finished with the client, closes the connection and counts its
    /// ending in the row; or gives the connection back to the master to be parked.
    void serve(Client client) noexcept;

    /// One call of the blocking handler, for a worker that serves many connections in turns. Returns how the
    /// connection goes on; throws what the handler does, and SpinningHandler.
    [[nodiscard]] Next call_handler(ServedConnection& served);

    // The two ends of serve(), for models with several connections at once.

    /// Counts the beginning of a connection's handler and returns its time (CLOCK_MONOTONIC).
    std::uint64_t begin(const Client& client) noexcept;

    // For datagrams. A worker is busy from the first that it serves of a batch until end_batch(): between two
    // of them it looks as busy as it is.

    /// Counts those that were received at once as accepted.
    void receive_datagrams(std::size_t count) noexcept { count_accepted(count); }
    /// Counts the beginning of one's handler and returns its time.
    std::uint64_t begin_datagram(std::uint64_t received_ns) noexcept;
    void end_datagram(std::uint64_t begun_ns, bool good) noexcept;
    /// Counts one as ended with which no handler begins.
    void refuse_datagram() noexcept;
    void end_batch() noexcept;

    /// Counts a connection's end, after its close, and tells the master. `Served` is a ServedConnection or an
    /// AsyncConnection.
    template <typename Served>
    void end(std::uint64_t begun_ns, const Served& connection, bool handler_threw, HandoffProgress handoff,
             Closed how) noexcept {
        end(begun_ns, outcome_of(connection, handler_threw), handoff, how);
    }

    /// The same for what isn't a Connection: one that a program has served.
    void end_without_connection(std::uint64_t begun_ns, bool good, HandoffProgress handoff) noexcept {
        end(begun_ns, good ? row_.completed : row_.failed, handoff, Closed::in_order);
    }

    /// Tells the master that this worker has the connection of a message.
    HandoffProgress note_received(const Message& message) noexcept;

    /// To be called after an end() by a worker that doesn't call next_handed_off(): wakes a master that
    /// waits.
    void wake_waiting_master() noexcept;

    /// Clients that it has received with the one that it serves.
    [[nodiscard]] std::size_t in_hand() const noexcept { return in_hand_.size(); }

    /// In a forked child: closes its copies of them, and of the sockets of busy peers.
    void drop_in_hand() noexcept {
        in_hand_.clear();
        connected_peers_.drop();
    }

    /// Those that ask it for datagrams.
    [[nodiscard]] ConnectedPeers& connected_peers() noexcept { return connected_peers_; }

    [[nodiscard]] int channel() const noexcept { return channel_; }
    [[nodiscard]] ScoreboardRow& row() const noexcept { return row_; }

    // For a process that has several workers. Any thread may call these.

    /// Sets the activity that the row shows while no connection is there.
    void set_idle() noexcept;
    void set_absent() noexcept;
    [[nodiscard]] Activity activity() const noexcept;

    /// Retires only this worker: it leaves as soon as its wait is interrupted.
    void tell_to_leave(bool leave) noexcept { leave_ = leave; }
    [[nodiscard]] bool told_to_leave() const noexcept { return leave_; }

    /// Whether to leave instead of waiting for clients.
    [[nodiscard]] Leave leave() const noexcept;

private:
    void count_accepted(std::size_t count) noexcept;
    enum class Took { client, nothing, leave };
    Took receive(bool wait, std::optional<Client>& client);
    void take(Envelope envelope, std::optional<Client>& client);
    [[nodiscard]] bool take_in_hand(std::optional<Client>& client);
    [[nodiscard]] bool claim(Client& client) noexcept;
    HandoffProgress note_of(const Message& message) noexcept;
    [[nodiscard]] Next handle(ServedConnection& served);
    [[nodiscard]] std::optional<Completion> give_back(ServedConnection& served, Next next,
                                                      const HandoffProgress& handoff) noexcept;
    [[nodiscard]] std::optional<Completion::File> pass_file(ServedConnection& served,
                                                            const HandoffProgress& handoff) noexcept;
    void end(std::uint64_t begun_ns, SharedCounter& outcome, HandoffProgress handoff, Closed how) noexcept;
    void end_turn(std::uint64_t begun_ns, const Completion& completion, HandoffProgress handoff) noexcept;
    void start_working(std::uint64_t now_ns) noexcept;
    void stop_working(std::uint64_t begun_ns) noexcept;
    void rest(std::uint64_t now_ns) noexcept;
    void count_here(SharedCounter& outcome) noexcept;

    /// The counter of a connection's ending.
    template <typename Served>
    SharedCounter& outcome_of(const Served& connection, bool handler_threw) noexcept {
        if (connection.client_gone()) return row_.client_aborted;
        if (connection.stopping() && !connection.exchanged() && !handler_threw) return row_.refused;
        if (connection.exceeded() != Limit::none)
            return row_.timed_out[static_cast<std::size_t>(connection.exceeded())];
        return handler_threw ? row_.failed : row_.completed;
    }

    WorkerProcess& process_;
    ScoreboardRow& row_;
    Handler handler_ = [](Connection&) {};
    DatagramHandler datagram_handler_;
    WorkerPages pages_;
    std::vector<HandoffNote*> free_notes_;
    std::vector<Client> in_hand_;  ///< Received, not begun; the next one last.
    int channel_;
    Acceptor acceptor_;
    ConnectedPeers connected_peers_;
    std::uint64_t serving_ = 0;  ///< The number of connections that are being served.
    std::uint64_t serving_since_ns_ = 0;
    std::atomic<bool> leave_{false};
};

/// To be called in a catch-all around a handler. Returns whether the exception is a failure of the handler,
/// and logs it then; that the client left or was too slow is none.
bool handler_failed() noexcept;

}  // namespace bullpen
