#include "servers/services/file_bytes.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "tests/core/contents.hpp"

using namespace bullpen;
using namespace bullpen::http;

namespace {

int error_of_reading(int file, std::size_t size, std::uint64_t offset = 0) {
    std::string bytes(size, ' ');
    try {
        read_bytes(file, bytes, offset);
    } catch (const std::system_error& error) {
        return error.code().value();
    }
    return 0;
}

}  // namespace

TEST_SUITE("file bytes") {
    TEST_CASE("the bytes from an offset on are read") {
        const UniqueFd file = file_of("hello");
        std::string bytes(3, ' ');
        read_bytes(file.get(), bytes, 1);
        CHECK(bytes == "ell");
        try_bytes(file.get(), 1, 4);
    }

    TEST_CASE("of a large file only the first bytes are tried") {
        const UniqueFd file = file_of(many_bytes(trial_size));
        try_bytes(file.get(), 0, std::uint64_t{1} << 40U);
        CHECK_THROWS_AS(try_bytes(file.get(), 1, std::uint64_t{1} << 40U), std::system_error);
    }

    TEST_CASE("a file without a size may have bytes") {
        check_emptiness(file_of("").get());
        check_emptiness(file_of("it has grown since").get());
        const UniqueFd lying{::open("/proc/self/status", O_RDONLY | O_CLOEXEC)};
        if (lying) CHECK_THROWS_AS(check_emptiness(lying.get()), std::system_error);
    }

    TEST_CASE("a file that has become shorter is another trouble than one whose size isn't true") {
        const UniqueFd file = file_of("hello");
        CHECK(error_of_reading(file.get(), 6) == EAGAIN);
        CHECK(error_of_reading(file.get(), 1, 5) == EAGAIN);
        const UniqueFd lying{::open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC)};
        if (lying) CHECK(error_of_reading(lying.get(), 4096) == EIO);
    }

    TEST_CASE("what can't be read says why") {
        const UniqueFd directory{::open("/", O_RDONLY | O_CLOEXEC)};
        CHECK(error_of_reading(directory.get(), 1) == EISDIR);
    }
}
