#include "pool/crew.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>

#include "core/log.hpp"
#include "pool/forked_child.hpp"

namespace bullpen {

Crew::Crew(WorkerProcess& process)
    : process_{process},
      left_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      members_(process.workers()),
      vacant_{process.workers()} {
    if (!left_) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
    keep_from_children(left_.get());
    WorkerProcess::count_for_none();
    for (std::uint32_t index = 0; index < process_.workers(); ++index) {
        members_[index].worker = &process_.worker(index);
        vacant_.insert(index);
    }
}

Crew::~Crew() {
    wait_until_all_left();
}

void Crew::start_all(const Body& body) {
    const std::lock_guard guard{mutex_};
    for (std::uint32_t index = 0; index < process_.workers(); ++index)
        if (!start_at(index, body)) ::_exit(worker_exit_crashed);
}

void Crew::start_sized(const Body& body) {
    for (std::uint32_t index = 0; index < process_.workers(); ++index)
        process_.worker(index).set_absent();
    const std::lock_guard guard{mutex_};
    for (int i = 0; i < process_.seat().limits.workers_start; ++i)
        if (!start_at(*vacant_.lowest(), body)) ::_exit(worker_exit_crashed);
    if (process_.seat().limits.policy != SizingPolicy::spare) return;
    process_.on_change([this] {
        const std::lock_guard change{mutex_};
        has_changed_ = true;
        changed_.notify_all();
    });
    try {
        sizer_ = Thread{[this, body] {
            const LogsFor pool{{.pool = process_.seat().pool}};
            size(body);
        }};
    } catch (const std::system_error& error) {
        log(LogLevel::error, error.what());
        ::_exit(worker_exit_crashed);
    }
}

void Crew::make_sure_of_a_thread() {
    if (!start(0, [](Worker&) {})) ::_exit(worker_exit_crashed);
    members_[0].thread.join();
}

std::uint32_t Crew::wait_for_vacancy() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !vacant_.empty(); });
    return *vacant_.lowest();
}

bool Crew::start(std::uint32_t index, const Body& body) {
    const std::lock_guard guard{mutex_};
    return start_at(index, body);
}

bool Crew::start_at(std::uint32_t index, const Body& body) {
    Worker& worker = *members_[index].worker;
    worker.tell_to_leave(false);
    worker.set_idle();
    try {
        members_[index].thread = Thread{[this, index, body] { run(index, body); }};
    } catch (const std::system_error& error) {
        constexpr int between_lines = 100;
        if (failures_++ % between_lines == 0) log(LogLevel::error, error.what());
        worker.set_absent();
        return false;
    }
    failures_ = 0;
    vacant_.erase(index);
    return true;
}

void Crew::run(std::uint32_t index, const Body& body) {
    { const std::lock_guard once_all_exist{mutex_}; }
    const WorkerSeat& seat = process_.seat();
    const LogsFor worker{{.pool = seat.pool, .slot = seat.first_slot + index}};
    process_.count_for(index);
    body(*members_[index].worker);
    {
        const std::lock_guard guard{mutex_};
        members_[index].worker->set_absent();
        vacant_.insert(index);
        has_changed_ = true;
        changed_.notify_all();
    }
    constexpr std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(left_.get(), &one, sizeof one);
}

void Crew::wait_until_all_left() {
    for (;;) {
        {
            const std::lock_guard guard{mutex_};
            if (process_.leave() != Leave::no) closing_ = true;
            if (vacant_.size() == static_cast<int>(process_.workers())) break;
            if (closing_) interrupt_idle(true);
        }
        WorkerProcess::wait_for(left_.get());
        std::uint64_t count = 0;
        [[maybe_unused]] const auto ignored = ::read(left_.get(), &count, sizeof count);
    }
    {
        const std::lock_guard guard{mutex_};
        closing_ = true;
        changed_.notify_all();
    }
    sizer_.join();
    members_.clear();
}

/// The sizer's whole life: applies the master's sizing rules to threads. It sleeps while nothing changes.
void Crew::size(const Body& body) {
    const WorkerSeat& seat = process_.seat();
    SizingHistory history{.idle_low = seat.limits.workers_start};
    TimePoint looked = Clock::now();
    TimePoint window_began = looked;
    const auto closing = [this] { return closing_; };
    const auto woken = [this] { return closing_ || has_changed_; };
    std::unique_lock lock{mutex_};
    for (;;) {
        has_changed_ = false;
        process_.await_change();
        switch (next_look()) {
            case NextLook::at_a_change: changed_.wait(lock, woken); break;
            case NextLook::at_window_end:
                changed_.wait_until(lock, window_began + seat.shrink_window, woken);
                break;
            case NextLook::soon: break;
        }
        const auto interval = seat.resize_interval * std::clamp(failures_, 1, 100);
        if (changed_.wait_until(lock, looked + interval, closing)) return;

        looked = Clock::now();
        history.window_ended = looked - window_began >= seat.shrink_window;
        if (history.window_ended) window_began = looked;
        const Resize plan = plan_resize(count(), seat.limits, history);
        history = plan.next;
        for (int i = 0; i < plan.spawn && !vacant_.empty(); ++i)
            if (!start_at(*vacant_.lowest(), body)) break;
        for (int i = 0; i < plan.retire; ++i)
            retire_highest_idle();
        interrupt_idle(false);  // A worker that was told to leave may have missed it.
    }
}

/// When plan_resize() can next have something to do, while the counts stay as they are.
Crew::NextLook Crew::next_look() const noexcept {
    const PoolLimits& limits = process_.seat().limits;
    const PoolCounts now = count();
    const bool may_grow = now.idle + now.busy + now.draining < limits.workers_max;
    const bool may_want = now.idle < limits.spare_min || now.idle == 0;
    if (now.draining > 0 || (may_grow && may_want)) return NextLook::soon;
    return now.idle > limits.spare_max ? NextLook::at_window_end : NextLook::at_a_change;
}

PoolCounts Crew::count() const noexcept {
    PoolCounts counts;
    for (const Member& member : members_) {
        switch (member.worker->activity()) {
            case Activity::idle: ++(member.worker->told_to_leave() ? counts.draining : counts.idle); break;
            case Activity::busy: ++counts.busy; break;
            case Activity::starting:
            case Activity::absent: break;
        }
    }
    if (counts.idle == 0)
        for (const Listener& listener : process_.seat().listeners)
            counts.waiting += static_cast<int>(listener.waiting());
    return counts;
}

void Crew::retire_highest_idle() {
    for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
        if (member->worker->activity() != Activity::idle || member->worker->told_to_leave()) continue;
        return member->worker->tell_to_leave(true);
    }
}

/// Interrupts the idle threads: all, or only those that were told to leave. A busy one sees the order when it
/// has finished.
void Crew::interrupt_idle(bool all) {
    bool any = false;
    for (std::uint32_t index = 0; index < process_.workers(); ++index) {
        const Member& member = members_[index];
        if (vacant_.contains(index) || member.worker->activity() != Activity::idle) continue;
        if (!all && !member.worker->told_to_leave()) continue;
        member.thread.interrupt();
        any = true;
    }
    if (any) wake_();
}

void in_each_worker(WorkerProcess& process, const Crew::Body& body) {
    if (process.workers() == 1) return body(process.worker());
    Crew crew{process};
    crew.start_all(body);
    crew.wait_until_all_left();
}

}  // namespace bullpen
