#include "servers/cli/ctl.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <stdexcept>
#include <string>

#include "pool/control_line.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

namespace {

ServerStatus with_pools(int pools) {
    ServerStatus status{.name = "web",
                        .version = "0.1.0",
                        .pid = 4'194'303,
                        .master_pid = 4'194'304,
                        .phase = Phase::serving,
                        .uptime = std::chrono::hours{51},
                        .pools = {}};
    for (int i = 0; i < pools; ++i) {
        PoolStatus pool{.name = "pool" + std::to_string(i), .model = "prefork-reuseport"};
        pool.listeners = {{.address = "[2001:db8::1234]:8080", .waiting = 4096, .backlog = 4096}};
        pool.workers = {.starting = 12, .idle = 1234, .busy = 5678, .draining = 3, .waiting = 0};
        pool.workers_max = 10'000;
        pool.counts_connections = i == 0;
        pool.accepted = 12'345'678'901;
        pool.open = 123'456;
        pool.parked = 100'000;
        status.pools.push_back(pool);
    }
    return status;
}

std::string described(const ServerStatus& status) {
    return describe_status(answer_line({0, "serving"}, &status));
}

}  // namespace

TEST_SUITE("servers: the status as bullpen ctl prints it") {
    TEST_CASE("it says who, since when and in which phase, and has a line for each pool and listener") {
        const std::string text = described(with_pools(2));
        CHECK(
            text.starts_with("server web: serving, up 2 d 3 h, version 0.1.0, pid 4194303, of the master\n"
                             "  4194304\n"));
        CHECK(contains(text, "pool0"));
        CHECK(contains(text, "pool1"));
        CHECK(contains(text, "12,345,678,901"));
        CHECK(contains(text, "[2001:db8::1234]:8080"));
    }

    TEST_CASE("connections that the master doesn't know are dashes, no zeros") {
        ServerStatus status = with_pools(2);
        status.pools.erase(status.pools.begin());
        CHECK_FALSE(contains(described(status), "12,345,678,901"));
        CHECK(contains(described(status), " -"));
    }

    TEST_CASE("it fits into 80 columns") {
        ServerStatus status = with_pools(2);
        status.pools[0].model = "prefork";
        status.pools[1].model = "iterative";
        status.pools[0].accepted = 123'456'789;
        std::istringstream lines{described(status)};
        for (std::string line; std::getline(lines, line);)
            CHECK(line.size() <= 80);
    }

    TEST_CASE("an answer of another version, or none of ours, is an error with a sentence") {
        for (const char* const line :
             {"", "hello", "[]", "{}", R"({"version":2,"exit_status":0})",
              R"({"version":1,"exit_status":0,"message":"x"})", R"({"version":1,"server":{"name":"x"}})",
              R"({"version":1,"server":3})"})
            CHECK_THROWS_AS((void)describe_status(line), std::runtime_error);
    }
}
