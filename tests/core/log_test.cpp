#include "core/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "core/process.hpp"
#include "core/unique_fd.hpp"

using namespace bullpen;

namespace {

/// stderr as a pipe, for as long as this lives.
class PipeAsStderr {
public:
    PipeAsStderr() : saved_{::dup(STDERR_FILENO)} {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reading = UniqueFd{ends[0]};
        ::dup2(ends[1], STDERR_FILENO);
        ::close(ends[1]);
    }
    ~PipeAsStderr() { ::dup2(saved_.get(), STDERR_FILENO); }
    UniqueFd reading;

private:
    UniqueFd saved_;
};

}  // namespace

TEST_SUITE("core: the log") {
    TEST_CASE("a line has a level and the text, and control bytes are escaped") {
        const PipeAsStderr pipe;
        log(LogLevel::warning, "a\nb\x1b[31m\x7f");
        char line[256] = {};
        REQUIRE(::read(pipe.reading.get(), line, sizeof line - 1) > 0);
        const std::string text = line;
        CHECK(text.find(" warning [") != std::string::npos);
        CHECK(text.find("a\\x0ab\\x1b[31m\\x7f\n") != std::string::npos);
    }

    TEST_CASE("lines that can't be written are dropped and counted, and nothing waits") {
        const PipeAsStderr pipe;
        const std::uint64_t before = log_lines_dropped();
        for (int i = 0; i < 2000; ++i)
            log(LogLevel::info, std::string(100, 'x'));
        CHECK(log_lines_dropped() > before);
    }

    TEST_CASE("once the log has a descriptor of its own, whoever has descriptor 2 gets no line") {
        const PipeAsStderr log_pipe;
        const pid_t pid = *spawn_child([&] {
            keep_log_open();
            int ends[2];
            if (::pipe(ends) != 0 || ::dup2(ends[1], STDERR_FILENO) < 0) return 1;
            log(LogLevel::warning, "first");
            ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
            char byte = 0;
            const bool none_to_2 = ::read(ends[0], &byte, 1) < 0;
            ::dup2(ends[1], log_descriptor());  // A handler that closes everything, and then its next client.
            const std::uint64_t before = log_lines_dropped();
            log(LogLevel::warning, "second");
            return none_to_2 && ::read(ends[0], &byte, 1) < 0 && log_lines_dropped() == before + 1 ? 0 : 2;
        });
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(status == 0);
        char line[256] = {};
        REQUIRE(::read(log_pipe.reading.get(), line, sizeof line - 1) > 0);
        CHECK(std::string{line}.find("first") != std::string::npos);
        CHECK(std::string{line}.find("second") == std::string::npos);
    }

    TEST_CASE("a child keeps the log's descriptor when it closes all others") {
        const PipeAsStderr log_pipe;
        const pid_t pid = *spawn_child([] {
            keep_log_open();
            close_all_except({});
            const std::uint64_t before = log_lines_dropped();
            log(LogLevel::warning, "still there");
            return log_lines_dropped() == before ? 0 : 1;
        });
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(status == 0);
    }

    TEST_CASE("lines below the level are not written") {
        const PipeAsStderr pipe;
        log(LogLevel::debug, "too small");
        ::fcntl(pipe.reading.get(), F_SETFL, O_NONBLOCK);
        char byte = 0;
        CHECK(::read(pipe.reading.get(), &byte, 1) < 0);
    }
}
