#include "pool/client_queue.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>

#include "core/thread.hpp"
#include "tests/pool/worker_process.hpp"

using namespace bullpen;

namespace {

constexpr useconds_t a_moment_us = 50'000;

Client client_of(std::uint64_t number) {
    return {.socket = {}, .since_ns = number};
}

}  // namespace

TEST_SUITE("pool: the queue between threads") {
    TEST_CASE("a client is put only once a thread waits for one, and that thread gets it") {
        CHECK(in_worker_process({}, [](WorkerProcess& process) {
            ClientQueue queue;
            std::atomic<bool> may_accept{false};
            std::uint64_t taken = 0;
            Thread accepting{[&] {
                may_accept = queue.wait_for_taker();
                queue.put(client_of(7));
            }};
            ::usleep(a_moment_us);
            const bool too_early = may_accept;
            Thread taking{[&] { taken = queue.take(process.worker())->since_ns; }};
            accepting.join();
            taking.join();
            return !too_early && may_accept && taken == 7;
        }));
    }

    TEST_CASE("clients are taken in their order, also after the queue was closed; then there is nothing") {
        CHECK(in_worker_process({}, [](WorkerProcess& process) {
            ClientQueue queue;
            queue.put(client_of(1));
            queue.put(client_of(2));
            queue.close();
            const bool in_order =
                queue.take(process.worker())->since_ns == 1 && queue.take(process.worker())->since_ns == 2;
            return in_order && !queue.take(process.worker()) && !queue.wait_for_taker();
        }));
    }

    TEST_CASE("closing ends the waits on both sides") {
        CHECK(in_worker_process({.slots = 2}, [](WorkerProcess& process) {
            ClientQueue queue;
            std::atomic<int> ended{0};
            Thread one{[&] { ended += queue.take(process.worker(0)) ? 0 : 1; }};
            ::usleep(a_moment_us);
            queue.close();
            one.join();
            return ended == 1 && !queue.wait_for_taker();
        }));
    }

    TEST_CASE("a worker that is told to leave goes when it is woken, but not without a client that waits") {
        CHECK(in_worker_process({}, [](WorkerProcess& process) {
            ClientQueue queue;
            bool got_nothing = false;
            Thread taking{[&] { got_nothing = !queue.take(process.worker()); }};
            ::usleep(a_moment_us);
            process.worker().tell_to_leave(true);
            queue.wake();
            taking.join();
            queue.put(client_of(3));
            return got_nothing && queue.take(process.worker())->since_ns == 3 &&
                   !queue.take(process.worker());
        }));
    }
}
