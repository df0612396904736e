/// The load client for datagrams: asks, waits for the answer, and asks again when none comes (UNP 22.5).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <bullpen/address.hpp>
#include "servers/bench/load/latency.hpp"
#include "servers/bench/load/round_trip_time.hpp"

namespace bullpen {

/// What comes first of questions and duration ends the load: nothing new is asked, and what was asked is
/// awaited. At least one must be given.
struct DatagramLoadOptions {
    Address
        server;  ///< Of type SOCK_DGRAM. It sends each question back, or an answer that begins as it does.
    int concurrency = 1;                    ///< Clients at once: each has a socket, and one question.
    long questions = 0;                     ///< In total; 0: no limit.
    std::chrono::milliseconds duration{0};  ///< 0: no limit.
    std::size_t size = 64;                  ///< Bytes of a question, question_header at least.
    int attempts_max = 8;                   ///< A question is sent at most so often, then it is given up.
    RoundTripTime::Limits waits{.first = std::chrono::milliseconds{250}};  ///< For an answer.
    std::chrono::milliseconds report_interval{100};
    /// Told every report_interval how many questions were answered and given up; false ends the load.
    std::function<bool(long answered, long given_up)> keep_going = [](long, long) { return true; };
};

/// A question's first bytes: the number of this transmission, which no other has, and when it was sent.
constexpr std::size_t question_header = 16;

struct DatagramLoadResult {
    long answered = 0;         ///< Questions.
    long given_up = 0;         ///< Questions that were sent attempts_max times in vain.
    long sent = 0;             ///< Transmissions.
    long retransmissions = 0;  ///< Of them: those of a question that had been sent before.
    long refused = 0;     ///< Of them: those that couldn't be sent, or that a kernel said nobody listens to.
    long answers = 0;     ///< Answers to questions, also those that came late or twice.
    long duplicates = 0;  ///< Of them: those to a transmission that had an answer already.
    long strays = 0;      ///< What came and is no answer to any question.
    Latencies latencies = {};       ///< Of answered questions: from the first transmission to the answer.
    RoundTripTime round_trip = {};  ///< As it was at the end: one for all clients, because all have one peer.
    double wall_s = 0;
    double client_cpu_s = 0;
    bool cut_short = false;  ///< By keep_going; what was asked then is not counted.

    [[nodiscard]] long unanswered() const noexcept;  ///< Transmissions.

    /// The part of all transmissions to which no answer came, 0 to 1. When all questions are over, the
    /// answers to transmissions that are still on their way are awaited for a round trip's time-out.
    [[nodiscard]] double loss() const noexcept;
};

/// Runs in the caller's thread. Throws std::system_error if there are no sockets to be had.
DatagramLoadResult run_datagram_load(const DatagramLoadOptions& options);

}  // namespace bullpen
