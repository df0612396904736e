#include "core/transfer_step.hpp"

#include <doctest/doctest.h>

#include <cerrno>

using namespace bullpen;
using Outcome = TransferStep::Outcome;

TEST_SUITE("transfer_step") {
    TEST_CASE("what was moved is counted, whatever errno says from earlier") {
        for (const int error : {0, EAGAIN, EINTR, EPIPE}) {
            const TransferStep step = step_after(17, error);
            CHECK(step.outcome == Outcome::moved);
            CHECK(step.bytes == 17);
            CHECK(step.error == 0);
        }
    }

    TEST_CASE("nothing moved is the end, whatever errno says from earlier") {
        for (const int error : {0, EAGAIN, EINTR, EPIPE}) {
            const TransferStep step = step_after(0, error);
            CHECK(step.outcome == Outcome::ended);
            CHECK(step.bytes == 0);
        }
    }

    TEST_CASE("a call that would have waited, one that a signal ended and one that failed differ") {
        struct Row {
            int error;
            Outcome outcome;
        };
        for (const Row row :
             {Row{EAGAIN, Outcome::would_block}, Row{EWOULDBLOCK, Outcome::would_block},
              Row{EINTR, Outcome::interrupted}, Row{EPIPE, Outcome::failed}, Row{ECONNRESET, Outcome::failed},
              Row{ETIMEDOUT, Outcome::failed}, Row{EBADF, Outcome::failed}, Row{ENOBUFS, Outcome::failed}}) {
            CAPTURE(row.error);
            const TransferStep step = step_after(-1, row.error);
            CHECK(step.outcome == row.outcome);
            CHECK(step.bytes == 0);
            CHECK(step.error == row.error);
        }
    }
}
