#include "servers/bench/load/datagram_load.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <vector>

#include <bullpen/unique_fd.hpp>

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

/// A socket that receives, and answers nothing.
UniqueFd silent_server() {
    UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

/// A transmission's number, and when it was sent.
using Header = std::array<std::uint64_t, 2>;
static_assert(sizeof(Header) == question_header);

std::vector<Header> all_questions_at(const UniqueFd& server) {
    std::vector<Header> all;
    for (Header header{}; ::recv(server.get(), header.data(), sizeof header, MSG_DONTWAIT) > 0;)
        all.push_back(header);
    return all;
}

}  // namespace

TEST_SUITE("load: datagrams") {
    TEST_CASE("time-outs double up to the most, and each transmission has a number of its own") {
        const UniqueFd server = silent_server();
        const DatagramLoadResult result =
            run_datagram_load({.server = Address::of_socket(server.get()).with_type(SOCK_DGRAM),
                               .questions = 1,
                               .attempts_max = 6,
                               .waits = {.first = 20ms, .least = 10ms, .most = 50ms}});
        CHECK(result.answered == 0);
        CHECK(result.given_up == 1);
        CHECK(result.retransmissions == 5);
        CHECK(result.loss() == 1);
        const std::vector<Header> questions = all_questions_at(server);
        REQUIRE(questions.size() == 6);
        const std::array<std::chrono::nanoseconds, 5> least = {20ms, 40ms, 50ms, 50ms, 50ms};
        std::chrono::nanoseconds least_all{0};
        for (std::size_t i = 0; i < least.size(); ++i) {
            CHECK(questions[i + 1][0] == questions[i][0] + 1);
            CHECK(std::chrono::nanoseconds{questions[i + 1][1] - questions[i][1]} >= least.at(i));
            least_all += least.at(i);
        }
        CHECK(std::chrono::duration<double>{result.wall_s} >= least_all + 50ms);  // The last one's time, too.
    }

    TEST_CASE("an answer that came twice is no answer to another transmission") {
        CHECK(DatagramLoadResult{.sent = 10, .answers = 10, .duplicates = 3}.unanswered() == 3);
        CHECK(DatagramLoadResult{.sent = 10, .answers = 10, .duplicates = 3}.loss() == doctest::Approx(0.3));
        CHECK(DatagramLoadResult{}.loss() == 0);
    }
}
