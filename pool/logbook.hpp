/// The logbook: what the keeper and the master tell each other, in memory that outlives both.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/table_fd.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// One writer per field. A report that was not heard to its end by a master that died is heard again by its
/// successor, and so is an order.
struct Logbook {
    /// A child of the keeper has ended, stopped or continued.
    struct Report {
        pid_t pid = 0;
        int status = 0;  ///< As waitpid(2) gave it.
    };
    static constexpr std::size_t reports_most = 4096;  ///< Those not heard yet.
    static constexpr std::size_t signals = 65;

    /// What a stop is, in one word.
    struct StopWord {
        bool at_once = false;
        std::uint32_t interrupts = 0;  ///< SIGINTs that had come by then. They aren't heard again.

        [[nodiscard]] std::uint32_t pack() const noexcept {
            return 1U | (at_once ? 2U : 0U) | interrupts << 2U;
        }
        static std::optional<StopWord> unpack(std::uint32_t word) noexcept {
            if (word == 0) return {};
            return StopWord{.at_once = (word & 2U) != 0, .interrupts = word >> 2U};
        }
    };

    // The master writes:
    SharedCounter turns;  ///< How many it has had: if they stand still, it is replaced.
    SharedCounter reports_heard;
    std::array<SharedCounter, signals> orders_heard;
    SharedWord is_ready;             ///< A master has got through its start: if it dies, others go on,
    SharedWord has_announced;        ///< and has said so, to its end: the next ones needn't.
    SharedWord stops;                ///< The orderly stop has begun (a StopWord; 0: it hasn't),
    SharedCounter lost_before_stop;  ///< Connections until then,
    SharedWord has_stopped;          ///< and is over.
    SharedWord successor;       ///< The keeper of the new server, which is to have the listeners (its pid),
    TableFd successor_channel;  ///< the way to it, until this server
    SharedWord has_made_way;    ///< has made way for it.
    SharedWord has_said_ready;  ///< This is a new server, which the old one may tell to go from here on;
    SharedWord has_taken_over;  ///< it was told to, and the old one makes way for it;
    SharedWord watcher;         ///< the keeper that accompanies this server, or 0;
    SharedWord predecessor_is_gone;  ///< it has ended, and the channel to it is closed.
    SharedWord has_failed;           ///< It couldn't start, for the reason in `failure`.
    std::array<char, 1000> failure;

    // The keeper writes:
    SharedWord masters;     ///< How many it has made.
    SharedCounter reports;  ///< How many there have been; the last ones are in the ring.
    std::array<Report, reports_most> ring;
    std::array<SharedCounter, signals> orders;  ///< How often each signal has come.

    [[nodiscard]] bool has_room() const noexcept {
        return reports.load(std::memory_order_relaxed) - reports_heard.load(std::memory_order_acquire) <
               reports_most;
    }
    void report(const Report& news) noexcept {
        ring[reports.load(std::memory_order_relaxed) % reports_most] = news;
        add(reports);
    }
    /// The first report that wasn't heard.
    [[nodiscard]] std::optional<Report> next_report() const noexcept {
        const std::uint64_t next = reports_heard.load(std::memory_order_relaxed);
        if (reports.load(std::memory_order_acquire) == next) return {};
        return ring[next % reports_most];
    }
};

}  // namespace bullpen
