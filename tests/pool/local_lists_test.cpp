#include "pool/local_lists.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bullpen/unique_fd.hpp>

using namespace bullpen;

namespace {

/// A socket whose peer is this process.
struct Pair {
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ours.reset(ends[0]);
        theirs.reset(ends[1]);
    }
    UniqueFd ours;
    UniqueFd theirs;
};

}  // namespace

TEST_SUITE("pool: lists of users and groups") {
    TEST_CASE("lists that are empty restrict nobody") {
        CHECK_FALSE(LocalLists{}.restrict());
        CHECK(LocalLists({1}, {}).restrict());
        CHECK(LocalLists({}, {1}).restrict());
    }

    TEST_CASE("a user or a group is enough") {
        const Pair pair;
        const uid_t other_user = ::geteuid() + 1;
        const gid_t other_group = 4'000'000'000U;
        CHECK(LocalLists({other_user, ::geteuid()}, {}).admit(pair.ours.get()));
        CHECK(LocalLists({other_user}, {::getegid()}).admit(pair.ours.get()));
        CHECK_FALSE(LocalLists({other_user}, {}).admit(pair.ours.get()));
        CHECK_FALSE(LocalLists({other_user}, {other_group}).admit(pair.ours.get()));
    }

    TEST_CASE("a peer whose credentials can't be known is nobody") {
        CHECK_FALSE(LocalLists({0, ::geteuid()}, {::getegid()}).admit(-1));
        const UniqueFd tcp{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        CHECK_FALSE(LocalLists({0, ::geteuid()}, {0, ::getegid()}).admit(tcp.get()));
    }
}
