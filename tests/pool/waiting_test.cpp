#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"
#include "pool/scoreboard.hpp"

using namespace bullpen;

TEST_SUITE("pool: waiting for a worker") {
    TEST_CASE("no wake-up is missed between a count that is raised and a master that goes to sleep") {
        constexpr std::uint64_t rounds = 20'000;
        Scoreboard board{1};
        const UniqueFd wake{::eventfd(0, EFD_CLOEXEC)};
        const UniqueFd go{::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)};
        const auto worker = spawn_child([&] {
            for (std::uint64_t i = 1; i <= rounds; ++i) {
                std::uint64_t token = 0;
                (void)!::read(go.get(), &token, sizeof token);
                board.row(0).finished.store(i, std::memory_order_seq_cst);
                constexpr std::uint64_t one = 1;
                if (board.header().wake_on_room.load(std::memory_order_seq_cst) != 0)
                    (void)!::write(wake.get(), &one, sizeof one);
            }
            return 0;
        });
        REQUIRE(worker);
        std::uint64_t missed = 0;
        for (std::uint64_t i = 1; i <= rounds; ++i) {
            constexpr std::uint64_t one = 1;
            (void)!::write(go.get(), &one, sizeof one);
            board.header().wake_on_room.store(1, std::memory_order_seq_cst);
            while (board.row(0).finished.load(std::memory_order_seq_cst) < i) {
                pollfd readable{.fd = wake.get(), .events = POLLIN, .revents = 0};
                if (::poll(&readable, 1, 1000) == 0) ++missed;
                if (readable.revents != 0) {
                    std::uint64_t count = 0;
                    (void)!::read(wake.get(), &count, sizeof count);
                }
            }
            board.header().wake_on_room.store(0, std::memory_order_relaxed);
        }
        ::waitpid(*worker, nullptr, 0);
        CHECK(missed == 0);
    }
}
