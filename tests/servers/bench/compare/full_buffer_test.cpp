#include "servers/bench/compare/full_buffer.hpp"

#include <doctest/doctest.h>

#include <system_error>

using namespace bullpen;

namespace {

FullBuffer found_of(const std::vector<FullBuffer>& all, const std::string& transport) {
    for (const FullBuffer& found : all)
        if (found.transport == transport) return found;
    FAIL("not tried: " << transport);
    return {};
}

}  // namespace

TEST_SUITE("compare: full receive buffers") {
    TEST_CASE("UDP drops what has no room, and the others hold their sender and lose nothing") {
        const std::vector<FullBuffer> all = try_full_buffers(
            {.buffer_bytes = 8192, .messages = 3'000, .send_timeout = std::chrono::milliseconds{20}});
        REQUIRE(all.size() == 4);
        for (const FullBuffer& found : all) {
            CAPTURE(found.transport);
            CHECK(found.sent > 0);
            CHECK(found.sent == found.received + found.dropped);
            const bool udp = found.transport == "udp";
            CHECK(found.would_block != udp);
            CHECK(found.waits != udp);
            CHECK((found.dropped > 0) == udp);
        }
        CHECK(found_of(all, "udp").sent == 3'000);
    }

    TEST_CASE("datagrams keep the bounds of messages, and streams don't") {
        const std::vector<FullBuffer> all =
            try_full_buffers({.messages = 10, .send_timeout = std::chrono::milliseconds{20}});
        CHECK(found_of(all, "tcp").first_read == 8);
        CHECK(found_of(all, "unix").first_read == 8);
        CHECK(found_of(all, "udp").first_read == 3);
        CHECK(found_of(all, "unixgram").first_read == 3);
        CHECK(found_of(all, "tcp").sent == 10);  // There was room for all.
        CHECK_FALSE(found_of(all, "tcp").would_block);
    }

    TEST_CASE("what the kernel doesn't give is said") {
        CHECK_THROWS_AS(try_full_buffers({.message_bytes = 1 << 20}), std::system_error);  // UDP: EMSGSIZE.
    }
}
