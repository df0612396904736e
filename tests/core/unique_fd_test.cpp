#include <bullpen/unique_fd.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>

#include "tests/core/open_descriptors.hpp"

using bullpen::UniqueFd;

TEST_SUITE("core: descriptors") {
    TEST_CASE("the owner closes its descriptor, once") {
        const long before = open_descriptors();
        {
            UniqueFd first{::open("/dev/null", O_RDONLY)};
            UniqueFd second = std::move(first);
            CHECK(!first);
            CHECK(second);
            CHECK(open_descriptors() == before + 1);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("assigning over an open descriptor closes the old one") {
        const long before = open_descriptors();
        UniqueFd fd{::open("/dev/null", O_RDONLY)};
        fd = UniqueFd{::open("/dev/null", O_RDONLY)};
        CHECK(open_descriptors() == before + 1);
        UniqueFd& same = fd;
        fd = std::move(same);
        CHECK(fd);
    }

    TEST_CASE("closing does not disturb errno") {
        UniqueFd bad{1 << 20};
        errno = ENOENT;
        bad.reset();
        CHECK(errno == ENOENT);
    }

    TEST_CASE("a released descriptor stays open") {
        UniqueFd fd{::open("/dev/null", O_RDONLY)};
        const int raw = fd.release();
        fd.reset();
        CHECK(::fcntl(raw, F_GETFD) >= 0);
        ::close(raw);
    }
}
