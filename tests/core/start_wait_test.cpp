#include "core/start_wait.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

struct Pipe {
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reading = UniqueFd{ends[0]};
        writing = UniqueFd{ends[1]};
    }
    UniqueFd reading;
    UniqueFd writing;
};

/// A signal that is blocked and pending, and taken out at the end.
class Held {
public:
    explicit Held(int signal) : signal_{signal} { ::raise(signal); }
    ~Held() {
        sigset_t set;
        ::sigemptyset(&set);
        ::sigaddset(&set, signal_);
        constexpr timespec at_once{};
        ::sigtimedwait(&set, nullptr, &at_once);
    }

private:
    SignalsBlocked blocked_;
    int signal_;
};

constexpr std::chrono::hours long_time{1};

}  // namespace

TEST_SUITE("core: the waits of a start") {
    TEST_CASE("input and its end end a wait, and a deadline does") {
        const long before = open_descriptors();
        {
            Pipe pipe;
            CHECK_FALSE(await_input(pipe.reading.get(), Clock::now()));
            CHECK_FALSE(await_input(pipe.reading.get(), Clock::now() + std::chrono::milliseconds{20}));
            REQUIRE(::write(pipe.writing.get(), "x", 1) == 1);
            CHECK(await_input(pipe.reading.get(), Clock::now() + long_time));
            char byte = 0;
            REQUIRE(::read(pipe.reading.get(), &byte, 1) == 1);
            pipe.writing.reset();
            CHECK(await_input(pipe.reading.get(), Clock::now() + long_time));
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("a signal to stop that is blocked ends each wait at once, also one that came before") {
        const Pipe pipe;
        for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
            const Held held{signal};
            CHECK_THROWS_AS((void)await_input(pipe.reading.get(), Clock::now() + long_time), StoppedAtStart);
        }
        const Held held{SIGTERM};
        CHECK_THROWS_AS(pause_start(long_time), StoppedAtStart);
    }

    TEST_CASE("a pause that nobody ends is a pause") {
        const TimePoint began = Clock::now();
        pause_start(std::chrono::milliseconds{10});
        CHECK(Clock::now() - began >= std::chrono::milliseconds{10});
    }
}
