#include "pool/control_line.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>

#include "tests/contains.hpp"

using namespace bullpen;

namespace {

std::string refusal(std::string_view line) {
    const ControlRequest request = read_request(line);
    CHECK_FALSE(request.order);
    CHECK(request.refusal.exit_status == 2);
    return request.refusal.message;
}

}  // namespace

TEST_SUITE("pool: the lines of the control socket") {
    TEST_CASE("a request that was written is read as its order") {
        for (const ControlCommand& command : control_commands) {
            const std::string line = request_line(command.name, false);
            CHECK(line.back() == '\n');
            CHECK(line.size() <= request_line_max);
            CHECK(read_request(line).order == command.order);
        }
        CHECK(read_request(request_line(connections_command.name, false)).order == Order::connections);
        CHECK(read_request(request_line("stop", true)).order == Order::stop_at_once);
        CHECK(read_request(R"({"version":1,"command":"stop","now":false})").order == Order::stop);
    }

    TEST_CASE("members that nobody knows are ignored, for later clients") {
        CHECK(read_request(R"({"version":1,"command":"status","colour":"red"})").order == Order::status);
    }

    TEST_CASE("whatever else comes is refused with a sentence that names it") {
        CHECK(contains(refusal(""), "JSON object"));
        CHECK(contains(refusal("status"), "JSON object"));
        CHECK(contains(refusal("[1]"), "JSON object"));
        CHECK(contains(refusal(R"({"version":1,"command":"status"} x)"), "JSON object"));
        CHECK(contains(refusal(std::string(1000, '[')), "JSON object"));
        CHECK(contains(refusal(R"({"command":"status"})"), "has none"));
        CHECK(contains(refusal(R"({"version":2,"command":"status"})"), "version 2"));
        CHECK(contains(refusal(R"({"version":"1","command":"status"})"), "version \"1\""));
        CHECK(contains(refusal(R"({"version":1})"), "status, reload, upgrade and stop"));
        CHECK(contains(refusal(R"({"version":1,"command":3})"), "status, reload, upgrade and stop"));
        CHECK(contains(refusal(R"({"version":1,"command":"relaod"})"), "\"relaod\""));
        CHECK(contains(refusal(R"({"version":1,"command":"stop","now":1})"), "true or false"));
        CHECK(contains(refusal(R"({"version":1,"command":"status","now":true})"), "only stop"));
    }

    TEST_CASE("an answer has the version, the exit status and the sentence, and a status has the pools") {
        const boost::json::value plain = boost::json::parse(answer_line({2, "a \"sentence\"\n"}));
        CHECK(plain.at("version") == 1);
        CHECK(plain.at("exit_status") == 2);
        CHECK(plain.at("message") == "a \"sentence\"\n");
        CHECK(plain.as_object().if_contains("server") == nullptr);

        ServerStatus status{.name = "web", .version = "1", .pid = 7, .phase = Phase::serving, .pools = {}};
        status.pools.push_back({.name = "a", .model = "prefork"});
        status.pools.push_back({.name = "b", .model = "event"});
        status.pools.front().counts_connections = true;
        status.pools.front().accepted = 12;
        const std::string line = answer_line({0, "serving"}, &status);
        CHECK(line.find('\n') == line.size() - 1);
        const boost::json::value full = boost::json::parse(line);
        CHECK(full.at("server").at("phase") == "serving");
        CHECK(full.at("server").at("pid") == 7);
        CHECK(full.at("server").at("pools").at(0).at("connections").at("accepted") == 12);
        CHECK(full.at("server").at("pools").at(1).as_object().if_contains("connections") == nullptr);
    }
}
