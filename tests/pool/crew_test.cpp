#include "pool/crew.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>

#include <atomic>

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
    for (std::uint32_t number = 0; number < process.workers(); ++number)
        found += process.worker(number).activity() == activity;
    return found;
}

bool becomes(WorkerProcess& process, Activity activity, int wanted) {
    for (int i = 0; i < 2000 && count(process, activity) != wanted; ++i)
        ::usleep(10'000);
    return count(process, activity) == wanted;
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
                worker.end(begun, Connection{UniqueFd{}}, false);
            });
            if (!becomes(process, Activity::busy, 4)) return false;
            ::raise(SIGTERM);  // A busy one is not interrupted: it looks when it has finished.
            ::_exit(0);
        }));
    }
}
