/// The threads of one worker process: a worker each.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/clock.hpp"
#include "core/thread.hpp"
#include "core/unique_fd.hpp"
#include "pool/slot_set.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

/// Made and used by the process's main thread, which is none of them.
class Crew {
public:
    /// A thread's whole life. It returns when worker.leave() says so.
    using Body = std::function<void(Worker&)>;

    explicit Crew(WorkerProcess& process);
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    /// What wakes a thread that waits for something else than a system call.
    void wake_by(std::function<void()> wake) { wake_ = std::move(wake); }

    /// A thread for every worker, for as long as the process lives. None begins before all exist. Where the
    /// system is out of threads the process ends as one that has crashed.
    void start_all(const Body& body);

    /// As many threads as the pool's limits say (plan_resize), from now on: one more thread sees to that.
    /// Without those that it is to start with, or one to see to that, the process ends as one that has
    /// crashed.
    void start_sized(const Body& body);

    /// For who starts threads later on: where the system has not even one now, the process ends as one that
    /// has crashed.
    void make_sure_of_a_thread();

    /// The index of the lowest worker without a thread; waits until there is one.
    std::uint32_t wait_for_vacancy();

    /// Starts a thread for that worker. False, after a line in the log, if the system is out of threads.
    bool start(std::uint32_t worker, const Body& body);

    /// Waits until all threads have left by themselves; once SIGTERM has come, wakes those that are idle.
    void wait_until_all_left();

private:
    struct Member {
        Worker* worker = nullptr;
        Thread thread;
    };

    /// When the sizing thread looks again, even if nothing changes.
    enum class NextLook { at_a_change, at_window_end, soon };

    void run(std::uint32_t index, const Body& body);
    void size(const Body& body);
    [[nodiscard]] PoolCounts count() const noexcept;
    [[nodiscard]] NextLook next_look() const noexcept;
    bool start_at(std::uint32_t index, const Body& body);
    void retire_highest_idle();
    void interrupt_idle(bool all);

    WorkerProcess& process_;
    std::function<void()> wake_ = [] {};
    UniqueFd left_;  ///< eventfd: a thread has left.

    std::mutex mutex_;  ///< Guards what follows.
    std::condition_variable changed_;
    std::vector<Member> members_;  ///< By the worker's index.
    SlotSet vacant_;
    bool closing_ = false;
    bool has_changed_ = false;  ///< For the sizing thread: somebody has begun, ended or left.
    int failures_ = 0;          ///< To start a thread, in a row.
    Thread sizer_;              ///< Last: it uses all the others.
};

/// Runs `body` for each of the process's workers: with one, in the caller's thread, which is the usual case.
void in_each_worker(WorkerProcess& process, const Crew::Body& body);

}  // namespace bullpen
