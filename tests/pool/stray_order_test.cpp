#include "pool/stray_order.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"

using namespace bullpen;

namespace {

constexpr std::array orders = {SIGTERM, SIGHUP};

/// 0 if all holds. In a child of its own, whose actions change.
int note_and_take() {
    const UniqueFd news{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    ::signal(SIGHUP, SIG_IGN);
    note_stray_orders(orders, news.get());
    unblock_signals();
    if (take_stray_order()) return 1;
    ::raise(SIGHUP);
    if (take_stray_order()) return 2;
    ::kill(::getpid(), SIGTERM);
    std::uint64_t count = 0;
    if (::read(news.get(), &count, sizeof count) != sizeof count) return 3;
    const auto stray = take_stray_order();
    if (!stray || stray->signal != SIGTERM || stray->sender != ::getpid()) return 4;
    return take_stray_order() ? 5 : 0;
}

}  // namespace

TEST_SUITE("stray order") {
    TEST_CASE("it is noted with its sender and wakes the master, and an ignored signal stays ignored") {
        const auto pid = spawn_child(note_and_take);
        REQUIRE(pid);
        int status = 0;
        REQUIRE(::waitpid(*pid, &status, 0) == *pid);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
}
