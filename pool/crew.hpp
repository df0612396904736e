/// A crew: the threads of one worker process, a worker each.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/thread.hpp"
#include "pool/sizing.hpp"
#include "pool/slot_set.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

/// Made and used by the process's main thread, which is no worker itself.
class Crew {
public:
    /// A thread's whole life. It returns when worker.leave() says so.
    using Body = std::function<void(Worker&)>;

    explicit Crew(WorkerProcess& process);
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    /// Sets what wakes threads that don't wait in a system call, such as on a condition variable.
    void wake_by(std::function<void()> wake) { wake_ = std::move(wake); }

    /// Starts a thread for every worker, for as long as the process lives. None begins before all exist. If
    /// the system is out of threads, the process exits as one that has crashed.
    void start_all(const Body& body);

    /// Keeps as many threads as plan_resize says under the pool's limits; a thread of its own, the sizer,
    /// starts and retires them. If workers_start threads and the sizer can't be started, the process exits as
    /// one that has crashed.
    void start_sized(const Body& body);

    /// For a caller that will start threads later: if the system can't start one now, the process exits as
    /// one that has crashed.
    void make_sure_of_a_thread();

    /// Waits until a worker has no thread and returns the lowest such worker's index.
    std::uint32_t wait_for_vacancy();

    /// Starts a thread for that worker. If the system is out of threads, logs a line and returns false.
    bool start(std::uint32_t worker, const Body& body);

    /// Waits until all threads have left. Once SIGTERM has come, wakes those that are idle.
    void wait_until_all_left();

private:
    struct Member {
        Worker* worker = nullptr;
        Thread thread;
    };

    /// When the sizer looks again even if nothing changes.
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

    std::mutex mutex_;  ///< Guards the members below.
    std::condition_variable changed_;
    std::vector<Member> members_;  ///< By the worker's index.
    SlotSet vacant_;
    bool closing_ = false;
    bool has_changed_ = false;  ///< For the sizer: a worker has begun, ended or left.
    int failures_ = 0;          ///< Failed starts of a thread in a row.
    Thread sizer_;              ///< Last, because it uses all other members.
};

/// Runs `body` for each of the process's workers: one worker in the caller's thread, several in a crew.
void in_each_worker(WorkerProcess& process, const Crew::Body& body);

}  // namespace bullpen
