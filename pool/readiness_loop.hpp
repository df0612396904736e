/// A readiness loop: a worker that serves many connections at once with a blocking handler, which parks.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bullpen/clock.hpp>
#include "pool/kept_connection.hpp"
#include "pool/readiness_source.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

/// Accepts on the pool's listeners and calls the handler for each client that has something to do, all in one
/// thread, for at most WorkerSeat::capacity of them at once. A call is a turn: what is ready has one each
/// before any has another, and a TurnBudget bounds it. A handler that waits for its client instead of parking
/// it lets all others wait.
class ReadinessLoop {
public:
    /// Both are borrowed.
    ReadinessLoop(WorkerProcess& process, ReadinessSource& source);
    ReadinessLoop(const ReadinessLoop&) = delete;
    ReadinessLoop& operator=(const ReadinessLoop&) = delete;

    /// Tells the master that this worker can serve, and serves until it is time to leave and the last
    /// connection has ended.
    void run();

private:
    /// A listener, as this worker sees it.
    struct Entrance {
        int fd = -1;
        bool has_options = false;  ///< Its clients inherit its time-outs.
        bool is_watched = false;
        bool is_shut = false;  ///< Nobody comes any more.
    };
    using Alarm = std::pair<TimePoint, int>;

    void attend(int fd);
    void take_turn(KeptConnection& client);
    void drop_others() noexcept;
    void keep(KeptConnection& client, Await what);
    void watch(KeptConnection& client);
    void end(KeptConnection& client, bool threw) noexcept;

    void watch_entrances() noexcept;
    void accept_from(Entrance& entrance);
    void start(UniqueFd socket, bool has_options);
    [[nodiscard]] bool has_room() const noexcept;

    void set_alarm(KeptConnection& client, TimePoint when);
    void ring_alarms();
    void ring(KeptConnection& client);
    [[nodiscard]] TimePoint due(KeptConnection& client) const noexcept;

    void notice_order();
    void make_way();
    [[nodiscard]] bool is_let_go(KeptConnection& client) const noexcept;
    [[nodiscard]] bool is_over() const noexcept;
    [[nodiscard]] std::optional<std::chrono::nanoseconds> time_to_next_look() const noexcept;

    WorkerProcess& process_;
    Worker& worker_;
    ReadinessSource& source_;
    ServerView view_;
    int order_;  ///< Readable once it is time to leave.
    std::vector<Entrance> entrances_;
    std::unordered_map<int, KeptConnection> clients_;  ///< By descriptor.
    std::set<Alarm> alarms_;
    std::vector<int> due_;                 ///< Whose alarms ring in this round.
    int turn_of_ = -1;                     ///< Whose turn it is, or was last.
    TimePoint now_{};                      ///< The time of this round.
    TimePoint accept_again_{};             ///< After a shortage of descriptors or memory.
    bool leaving_ = false;                 ///< It was told to leave.
    std::optional<TimePoint> stop_until_;  ///< The whole server stops: until then silent clients may speak.
};

/// A worker's whole life with a source of this kind.
template <typename Source>
void serve_in_turns(WorkerProcess& process) {
    Source source;
    ReadinessLoop{process, source}.run();
}

}  // namespace bullpen
