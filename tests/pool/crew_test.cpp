#include "pool/crew.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>

#include "core/served_connection.hpp"
#include "tests/pool/worker_process.hpp"

using namespace bullpen;

namespace {

void wait_until_told(Worker& worker) {
    constexpr int long_ms = 20'000;  // What ends it earlier is an interruption.
    while (worker.leave() == Leave::no)
        ::poll(nullptr, 0, long_ms);
}

int count(WorkerProcess& process, Activity activity) {
    int found = 0;
    for (std::uint32_t index = 0; index < process.workers(); ++index)
        found += process.worker(index).activity() == activity;
    return found;
}

bool becomes(WorkerProcess& process, Activity activity, int wanted) {
    for (int i = 0; i < 2000 && count(process, activity) != wanted; ++i)
        ::usleep(10'000);
    return count(process, activity) == wanted;
}

/// Makes the system have no more than so many processes and threads of a user whom nobody else is. False:
/// we may not.
bool limit_threads(rlim_t most) {
    constexpr uid_t nobody_else = 64'219;
    const rlimit limit{most, most};
    return ::setrlimit(RLIMIT_NPROC, &limit) == 0 && ::setresuid(nobody_else, nobody_else, nobody_else) == 0;
}

/// How a worker's process ends that may have no more than `threads` threads and does this, and whether it has
/// said that any of its workers is ready.
struct End {
    int status = -1;
    bool said_ready = false;
};
End end_of(WorkerSeat seat, rlim_t threads, const std::function<void(WorkerProcess&)>& work) {
    Scoreboard board{seat.slots};
    const UniqueFd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    const auto pid = spawn_child([&] {
        constexpr int patience_s = 60;
        ::alarm(patience_s);
        const PoolOptions options;
        seat.keeper = ::getppid();
        seat.generation = 1;
        seat.wake = wake.get();
        WorkerProcess process{seat, board, options};
        if (!limit_threads(threads)) return worker_exit_crashed;
        work(process);
        return worker_exit_retired;
    });
    End end;
    int status = -1;
    if (pid) ::waitpid(*pid, &status, 0);
    end.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    for (std::uint32_t slot = 0; slot < seat.slots; ++slot)
        end.said_ready = end.said_ready || board.row(slot).ready_generation != 0;
    return end;
}

bool stops(Crew& crew) {
    ::raise(SIGTERM);
    crew.wait_until_all_left();
    return true;
}

}  // namespace

TEST_SUITE("pool: the threads of a worker process") {
    TEST_CASE("each worker has its thread, and SIGTERM lets all of them leave") {
        CHECK(in_worker_process({.slots = 5}, [](WorkerProcess& process) {
            std::atomic<int> ran{0};
            Crew crew{process};
            crew.start_all([&](Worker& worker) {
                ++ran;
                wait_until_told(worker);
            });
            return becomes(process, Activity::idle, 5) && stops(crew) && ran == 5 &&
                   count(process, Activity::absent) == 5;
        }));
    }

    TEST_CASE("where the system has not enough threads nobody says that it is ready, and the process ends") {
        const auto begin = [](Worker& worker) {
            worker.ready();
            wait_until_told(worker);
        };
        const End too_few = end_of({.slots = 8}, 4, [&](WorkerProcess& process) {
            Crew crew{process};
            crew.start_all(begin);
            crew.wait_until_all_left();
        });
        CHECK(too_few.status == worker_exit_crashed);
        CHECK(!too_few.said_ready);
        const PoolLimits spare{.workers_start = 2, .workers_max = 4, .spare_min = 1, .spare_max = 2};
        for (const rlim_t threads : {1, 3}) {  // Not one; or those that serve, but none to size them.
            const End end = end_of({.slots = 4, .limits = spare}, threads, [&](WorkerProcess& process) {
                Crew crew{process};
                crew.start_sized(wait_until_told);
                process.ready();
                crew.wait_until_all_left();
            });
            CHECK(end.status == worker_exit_crashed);
            CHECK(!end.said_ready);
        }
        const End alone = end_of({.slots = 4}, 1, [&](WorkerProcess& process) {
            Crew crew{process};
            crew.make_sure_of_a_thread();
            process.ready();
        });
        CHECK(alone.status == worker_exit_crashed);
        CHECK(!alone.said_ready);
    }

    TEST_CASE("a slot is vacant again when its thread has ended, and its worker can be started anew") {
        CHECK(in_worker_process({.slots = 2}, [](WorkerProcess& process) {
            std::atomic<bool> may_end{false};
            Crew crew{process};
            const auto wait = [&](Worker&) {
                while (!may_end)
                    ::usleep(1000);
            };
            bool right = crew.wait_for_vacancy() == 0 && crew.start(0, wait);
            right = right && crew.wait_for_vacancy() == 1 && crew.start(1, wait);
            may_end = true;
            for (int i = 0; i < 100 && right; ++i)
                right = crew.start(crew.wait_for_vacancy(), wait);
            return right && stops(crew);
        }));
    }

    TEST_CASE("who is idle for a whole window beyond spare_max is told to leave") {
        const WorkerSeat seat{
            .slots = 8,
            .limits = {.workers_start = 6, .workers_max = 8, .spare_min = 1, .spare_max = 2},
            .resize_interval = std::chrono::milliseconds{10},
            .shrink_window = std::chrono::milliseconds{100}};
        CHECK(in_worker_process(seat, [](WorkerProcess& process) {
            Crew crew{process};
            crew.start_sized(wait_until_told);
            const bool started = count(process, Activity::idle) >= 2;
            return started && becomes(process, Activity::idle, 2) && becomes(process, Activity::absent, 6) &&
                   stops(crew);
        }));
    }

    TEST_CASE("there are more threads when those there are have clients, up to the maximum") {
        const WorkerSeat seat{
            .slots = 4,
            .limits = {.workers_start = 1, .workers_max = 4, .spare_min = 1, .spare_max = 2},
            .resize_interval = std::chrono::milliseconds{10}};
        CHECK(in_worker_process(seat, [](WorkerProcess& process) {
            Crew crew{process};
            crew.start_sized([](Worker& worker) {
                const std::uint64_t begun = worker.begin({});
                wait_until_told(worker);
                worker.end(begun, ServedConnection{UniqueFd{}}, false, {}, Closed::in_order);
            });
            if (!becomes(process, Activity::busy, 4)) return false;
            ::raise(SIGTERM);  // A busy one is not interrupted: it looks when it has finished.
            ::_exit(0);
        }));
    }
}
