/// The master: one thread that accepts, hands out, counts, forks and buries. It runs no client code.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/unique_fd.hpp"
#include "pool/events.hpp"
#include "pool/pool.hpp"

namespace bullpen {

/// A process beside the workers that the master starts, restarts when it dies, and ends last (the exporter).
struct Companion {
    std::string title;      ///< Shown by ps as "bullpen: TITLE".
    std::vector<int> keep;  ///< Descriptors it needs, borrowed.
    /// Its whole life. `lifeline` becomes readable (end of file) when the master stops or dies: return then.
    /// SIGTERM and SIGINT are ignored, because they go to the whole process group at a stop.
    std::function<int(int lifeline)> body;
};

struct MasterOptions {
    std::vector<PoolOptions> pools;
    std::chrono::seconds drain_timeout{30};  ///< An orderly stop takes no longer than this.
    /// A companion that has been stopped (SIGSTOP) for so long of the master's running time is killed and
    /// replaced.
    std::chrono::milliseconds stopped_timeout{10'000};
};

/// Construct (which opens all listeners, so that a taken port is an error before anything has begun), then
/// run(). The constructor's process may also fork and run() in the child, keeping the scoreboards to look at.
class Master {
public:
    /// Raises RLIMIT_NOFILE. Throws AddressError, std::system_error or std::runtime_error, each one sentence.
    explicit Master(MasterOptions options);
    ~Master();
    Master(const Master&) = delete;
    Master& operator=(const Master&) = delete;

    [[nodiscard]] const std::deque<Pool>& pools() const noexcept { return pools_; }

    /// Before run().
    void add_companion(Companion companion);

    /// Serves until SIGTERM, SIGINT or SIGQUIT, then stops in order and returns 0. A SIGINT during the stop
    /// ends its patience: what is still busy is killed. The caller's process becomes the master. `ready` is
    /// called once everything that can fail has been done and the first workers have been forked. Before the
    /// first fork run() throws std::system_error if something is lacking.
    int run(const std::function<void()>& ready = [] {});

private:
    struct Attendant;

    void start(const std::function<void()>& ready);
    [[nodiscard]] bool finished() const noexcept;
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;
    [[nodiscard]] TimePoint note_time(TimePoint expected) noexcept;
    void look_after_children(const Wakeup& wake, TimePoint now);
    bool note_companion(pid_t pid, int status, TimePoint now);
    void begin_stop(const Wakeup& wake, TimePoint now) noexcept;
    void attend_companions(TimePoint now);
    void spawn_companion(Attendant& attendant, TimePoint now);
    void end_companions() noexcept;

    MasterOptions options_;
    std::vector<int> inherited_;      ///< Open before we began: the user's own, which workers keep.
    std::unique_ptr<Events> events_;  // Before the pools, whose watches it must outlive.
    std::deque<Pool> pools_;          // Which never move: their parts know each other.
    std::vector<Attendant> attendants_;
    TimePoint swept_{};  ///< When all children were last asked for.
    bool stopping_ = false;
};

}  // namespace bullpen
