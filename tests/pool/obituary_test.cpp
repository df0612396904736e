#include "pool/obituary.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include "tests/contains.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

constexpr int exited(int status) {
    return status << 8;
}

}  // namespace

TEST_SUITE("pool: the obituary of a worker") {
    TEST_CASE("a crash says whose signal it was, and what the master knows of the request") {
        const Obituary crash{
            .worker = "pool web: worker 3 (pid 812)",
            .status = SIGSEGV,
            .reason = ExitReason::signalled,
            .work = {{.client = "192.0.2.7:4711", .request = "GET /a HTTP/1.1", .age = 240ms}},
            .lost = 1};
        CHECK(crash.text() ==
              "pool web: worker 3 (pid 812) was killed by signal 11 (Segmentation fault), which the master "
              "didn't send; it had the request \"GET /a HTTP/1.1\" of client 192.0.2.7:4711, 0.2 s old; "
              "connections lost: 1");
    }

    TEST_CASE("what isn't known is left out") {
        Obituary crash{.worker = "w", .status = SIGKILL, .reason = ExitReason::signalled, .work = {{}}};
        CHECK(crash.text() ==
              "w was killed by signal 9 (Killed), which the master didn't send; it had a request, 0.0 s old");
        crash.work = {{.client = "unix:"}};
        CHECK(contains(crash.text(), "; it had client unix:, 0.0 s old"));
        crash.work = {{.request = "die"}};
        CHECK(contains(crash.text(), "; it had the request \"die\", 0.0 s old"));
        crash.work.clear();
        crash.given_again = 2;
        CHECK(crash.text() ==
              "w was killed by signal 9 (Killed), which the master didn't send; connections given to others: "
              "2");
    }

    TEST_CASE("of many clients three are named") {
        const Obituary crash{
            .worker = "w",
            .status = exited(1),
            .reason = ExitReason::exited,
            .work = {{.client = "a"}, {.client = "b"}, {.client = "c"}, {.client = "d"}, {.client = "e"}}};
        CHECK(crash.text() ==
              "w exited with status 1; it had client a, 0.0 s old, client b, 0.0 s old, client c, 0.0 s old "
              "and "
              "2 more");
    }

    TEST_CASE("each reason why the master ends a worker is told") {
        const auto text = [](ExitReason reason) {
            return Obituary{.worker = "w", .status = SIGKILL, .reason = reason}.text();
        };
        CHECK(contains(text(ExitReason::drain_limit),
                       "by the master, because it was still busy at the end of the stop"));
        CHECK(contains(text(ExitReason::request_timeout), "request_timeout"));
        CHECK(contains(text(ExitReason::stopped), "by the master, because it was stopped (SIGSTOP"));
        CHECK(contains(text(ExitReason::replaced), "because the master replaces it"));
        CHECK(contains(text(ExitReason::start), "before it was ready"));
    }
}
