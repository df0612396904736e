#include "servers/bench/compare/workload.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace bullpen;

TEST_SUITE("cli: workloads") {
    TEST_CASE("every name makes a workload that can be described") {
        for (const NamedWorkload& known : workloads()) {
            const Workload workload = make_workload(std::string{known.name}, {});
            CHECK(workload.name == (known.name == "idle" ? "idle-10" : known.name));
            CHECK(summary_of(workload) == ": " + std::string{known.summary});
            CHECK(workload.concurrency == 16);
            CHECK(workload.duration_s == 2);
            CHECK(describe(workload).find("; closed loop; 2.00 s a run") != std::string::npos);
        }
        CHECK_THROWS_AS(make_workload("shrot", {}), std::invalid_argument);
    }

    TEST_CASE("what the user says of one is in it") {
        const WorkloadOptions options{.service = "echo",
                                      .requests_per_connection = 7,
                                      .rate = 500,
                                      .size = 99,
                                      .cpu_us = 300,
                                      .sleep_ms = 9};
        CHECK(make_workload("cpu", options).path == "/cpu/300");
        CHECK(make_workload("io", options).path == "/sleep/9");
        CHECK(make_workload("skewed", options).path == "/bytes/99");
        CHECK(make_workload("keep-alive", options).requests_per_connection == 7);
        CHECK(make_workload("keep-alive", options).service == "echo");
        CHECK(make_workload("io", options).service == "work");
        CHECK(describe(make_workload("short", options)) ==
              "echo, messages of 99 bytes, a connection a request, 16 connections at a time; open loop, 500 "
              "requests a "
              "second, latency from when a request was due; 2.00 s a run");
    }

    TEST_CASE("idle is a workload for each number of idle connections, and every other name is one") {
        const std::vector<Workload> idle = make_workloads("idle", {.idle = {10, 300}});
        REQUIRE(idle.size() == 2);
        CHECK(idle[1].name == "idle-300");
        CHECK(idle[1].idle == 300);
        CHECK(idle[1].path == "/bytes/128");
        CHECK(describe(idle[1]).find("16 connections at a time beside 300 idle ones") != std::string::npos);
        CHECK(make_workloads("keep-alive", {}).size() == 1);
        CHECK(make_workload("keep-alive", {}).idle == 0);
    }

    TEST_CASE("datagram is an echo over UDP, in a closed loop, and no part of all") {
        const Workload datagram = make_workload("datagram", {.service = "http", .rate = 500, .size = 64});
        CHECK(sends_datagrams(datagram));
        CHECK_FALSE(sends_datagrams(make_workload("short", {})));
        CHECK(std::string{unit_of(datagram)} == "datagram");
        CHECK(describe(datagram) ==
              "echo, datagrams of 64 bytes over UDP, 16 clients at a time; closed loop; 2.00 s a run");
        CHECK(
            describe(make_workload("datagram", {.connections = 1000})).ends_with("; 1,000 datagrams a run"));
        for (const NamedWorkload& known : workloads())
            CHECK(known.in_all == (known.name != "datagram" && known.name != "transports"));
    }

    TEST_CASE("transports are six, of which each has a workload of its own") {
        Workload all = make_workload("transports", {.requests_per_connection = 50});
        all.model = "prefork";
        CHECK(compares_transports(all));
        CHECK_FALSE(compares_transports(make_workload("datagram", {})));
        CHECK(std::string{noun_of(all)} == "transport");
        CHECK(std::string{noun_of(make_workload("short", {}))} == "model");
        CHECK(std::string{unit_of(all)} == "request");
        CHECK(describe(all).starts_with(
            "echo under prefork, messages of 128 bytes over each transport; on a kept "
            "connection 50 requests in a row, else one; 16 clients at a time"));
        REQUIRE(transports().size() == 6);
        for (const Transport& transport : transports()) {
            const Workload one = workload_over(transport, all);
            CHECK(one.transport == transport.protocol);
            CHECK(one.requests_per_connection == (transport.kept ? 50 : 1));
            CHECK(sends_datagrams(one) == (transport.name == "udp" || transport.name == "unixgram"));
        }
    }

    TEST_CASE("a number of connections replaces the time, which is then the limit") {
        const Workload workload = make_workload("short", {.connections = 1000, .time_limit_s = 30});
        CHECK(workload.connections == 1000);
        CHECK(workload.duration_s == 30);
        CHECK(warm_up_connections(workload) == 50);
        CHECK(warm_up_connections(make_workload("short", {})) == 500);
        CHECK(warm_up_connections(make_workload("short", {.connections = 3})) == 1);
    }
}
