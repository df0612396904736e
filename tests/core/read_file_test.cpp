#include "core/read_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/process.hpp"
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

TEST_SUITE("core: files as strings") {
    TEST_CASE("a file is read as it is, whatever its size is") {
        char path[] = "/tmp/bullpen-read-file-XXXXXX";
        ::close(::mkstemp(path));
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, std::size_t{16 * 1024}, std::size_t{100'001}}) {
            std::string bytes(size, 'x');
            if (size > 2) bytes[1] = '\0';
            std::ofstream{path, std::ios::binary} << bytes;
            CHECK(read_file(path) == bytes);
        }
        ::unlink(path);
        CHECK(read_file("/proc/self/status").find("VmRSS:") != std::string::npos);
    }

    TEST_CASE("a FIFO is read to its end, and one that nobody writes to is given up") {
        char home[] = "/tmp/bullpen-test-XXXXXX";
        REQUIRE(::mkdtemp(home) != nullptr);
        const std::string fifo = std::string{home} + "/fifo";
        REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
        const ReadLimits hasty{.patience = std::chrono::milliseconds{20}};
        std::error_code error;
        CHECK(read_file(fifo, error, hasty).empty());
        CHECK(error == std::errc::stream_timeout);
        CHECK_THROWS_WITH_AS(read_file(fifo, hasty),
                             ("cannot read " + fifo + ": nobody wrote its end in time").c_str(),
                             std::runtime_error);
        const pid_t writer = *spawn_child([&] {
            std::ofstream{fifo} << std::string(100'001, 'x');
            return 0;
        });
        CHECK(read_file(fifo) == std::string(100'001, 'x'));
        ::waitpid(writer, nullptr, 0);
        ::unlink(fifo.c_str());
        ::rmdir(home);
    }

    TEST_CASE("a file without an end is too large") {
        std::error_code error;
        CHECK(read_file("/dev/zero", error, {.size = 100'000}).empty());
        CHECK(error == std::errc::file_too_large);
    }

    TEST_CASE("what can't be read says why and leaks no descriptor") {
        const long before = open_descriptors();
        CHECK_THROWS_WITH_AS(read_file("/nonexistent/x"),
                             "cannot read /nonexistent/x: No such file or directory", std::system_error);
        CHECK_THROWS_WITH_AS(read_file("/tmp"), "cannot read /tmp: Is a directory", std::system_error);
        std::error_code error;
        CHECK(read_file("/nonexistent/x", error).empty());
        CHECK(error.value() == ENOENT);
        CHECK_FALSE(read_file("/proc/self/status", error).empty());
        CHECK_FALSE(error);
        CHECK(open_descriptors() == before);
    }
}
