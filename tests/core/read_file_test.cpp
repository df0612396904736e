#include "core/read_file.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

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
