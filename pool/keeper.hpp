/// The keeper: the process that the user starts. It makes the master, and another one when that dies.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <bullpen/clock.hpp>
#include "pool/logbook.hpp"

namespace bullpen {

/// How long the keeper waits before it makes another master: not at all after one that lived for some time,
/// else 10 ms, doubled for each in a row, up to 1 s.
constexpr std::chrono::milliseconds keeper_pause(int short_lives) noexcept {
    constexpr std::chrono::milliseconds first{10};
    constexpr std::chrono::milliseconds longest{1'000};
    if (short_lives <= 0) return {};
    return std::min(longest, first * (1 << std::min(short_lives - 1, 10)));
}

/// Runs no client code, decides nothing and feeds nothing: it waits for signals, passes them on, reaps, and
/// watches that the master has turns. The workers and the exporter are its children, too, and end with it.
///
/// Keeper and master have one table of descriptors, so that the death of the master closes nothing. While
/// there is a master the keeper opens and closes none: the master closes what it has opened and, at a stop,
/// the listeners. What a dead master had opened its successor either finds in memory that both share
/// (SharedArray) or closes. Neither may call exec(3), which would part the table. Between two masters the
/// keeper carries out what a reload changes, see run().
class Keeper {
public:
    /// Blocks the signals that stop the server until a keeper is there to take them: called before the
    /// start-up that a supervisor may interrupt, so that no order is lost and nothing half-made is left.
    static void hold_signals() noexcept;

    /// A master that returns this makes room for another, which is no death.
    static constexpr int made_room = 64;

    /// `news` is an eventfd, borrowed, that wakes the master. The logbook and the time-out, which may change
    /// between two masters, outlive the keeper.
    Keeper(Logbook& logbook, int news, const std::chrono::milliseconds& master_timeout);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    /// Has `master`, a master's whole life, run in one child after the other until Logbook::has_stopped, and
    /// returns its result. `between` is called between two of them: what it changes in this process, the
    /// later ones are made from. Throws std::runtime_error if the first one can't start.
    int run(
        const std::function<int()>& master, const std::function<void()>& between = [] {});

    /// Whether somebody takes the end of this process for that of the service: it is the first process of a
    /// container, or the one that systemd has started (systemd.exec(5), SYSTEMD_EXEC_PID).
    [[nodiscard]] static bool is_watched() noexcept;

    /// Passes signals on to the keeper that has this server's place, Logbook::successor and, as they are
    /// named, those that take its place in turn, and reaps, until the last one has ended. Returns its exit
    /// status.
    int accompany();

    /// Tells the process that accompanies this server, or will when its own has drained, which keeper takes
    /// the place of this one's.
    static void name_successor(pid_t watcher, pid_t successor) noexcept;

private:
    void start(const std::function<int()>& master);
    void wait();
    void reap();
    void note_end(int status);
    [[nodiscard]] bool is_to_go_on(bool has_failed) const noexcept;
    bool is_name(int signal, const siginfo_t& info) noexcept;
    [[nodiscard]] pid_t successor() const noexcept;
    void watch_turns();
    void wake_master() const noexcept;
    [[nodiscard]] std::chrono::nanoseconds between_looks() const noexcept { return master_timeout_ / 4; }

    Logbook& logbook_;
    int news_;
    const std::chrono::milliseconds& master_timeout_;
    bool is_watched_ = is_watched();
    pid_t named_ = 0;                    ///< By name_successor; 0: Logbook::successor is the latest.
    std::optional<int> successors_end_;  ///< Its status, once it is reaped.
    pid_t master_ = 0;                   ///< 0: there is none.
    std::optional<int> result_;
    TimePoint started_{};
    TimePoint next_start_{};
    int short_lives_ = 0;  ///< Of masters, in a row.
    TimePoint looked_at_{};
    std::uint64_t turns_seen_ = 0;
    std::chrono::nanoseconds stands_still_for_{0};  ///< As far as the keeper itself was running.
    struct Before;
    std::unique_ptr<Before> before_;
};

}  // namespace bullpen
