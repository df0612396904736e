#include "servers/bench/report/comparison_json.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "servers/bench/report/comparison_table.hpp"
#include "tests/complaint.hpp"
#include "tests/contains.hpp"
#include "tests/servers/bench/compare/made_comparison.hpp"

using namespace bullpen;

namespace {

std::string complaint(const std::string& text) {
    return complaint_of([&] { comparison_from_json(text, "file.json"); });
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_SUITE("cli: a comparison as JSON") {
    TEST_CASE("what is written can be read again, down to the last run") {
        Comparison comparison = made_comparison();
        comparison.workloads[0].measurements[1].failure = "it \"died\"";
        comparison.workloads[0].measurements[2].runs[1].errors = {{"reset", 2}};
        comparison.interrupted = true;
        const std::string text = to_json(comparison);
        CHECK(text.back() == '\n');
        const Comparison again = comparison_from_json(text, "file.json");
        CHECK(render_table(again) == render_table(comparison));  // To the digits that are shown.
        CHECK(again.interrupted);
        CHECK(again.machine.processor == "A <b>processor</b>");
        CHECK(again.workloads[0].measurements[1].failure == "it \"died\"");
        CHECK(again.workloads[0].measurements[2].runs[1].errors[0].count == 2);
        CHECK(again.workloads[0].measurements[2].runs[1].latency[0].distribution[1].us == 900);
    }

    TEST_CASE("other programs find the medians, the ranks and the verdict in it") {
        const boost::json::value json = boost::json::parse(to_json(made_comparison()));
        CHECK(json.at("schema") == 1);
        const auto& prefork = json.at("workloads").at(0).at("measurements").at(2).at("summary");
        CHECK(prefork.at("requests_per_s").at("median").as_double() == doctest::Approx(9'500));
        CHECK(prefork.at("p99_us").at("max").as_double() == doctest::Approx(2'300));
        CHECK(prefork.at("cpu_us_above_iterative").as_double() == doctest::Approx(10));
        CHECK(prefork.at("voluntary_switches").at("median").as_double() == doctest::Approx(2));
        CHECK(prefork.at("tree_kb").at("min").as_double() == doctest::Approx(3072));
        CHECK(prefork.at("rank").at("requests_per_s").at("last") == 2);
        CHECK(json.at("workloads").at(0).at("verdict").as_array().size() == 4);
    }

    TEST_CASE("without iterative there is nothing to be above") {
        Comparison comparison = made_comparison();
        comparison.workloads[0].measurements.erase(comparison.workloads[0].measurements.begin());
        const boost::json::value json = boost::json::parse(to_json(comparison));
        CHECK(json.at("workloads")
                  .at(0)
                  .at("measurements")
                  .at(0)
                  .at("summary")
                  .at("cpu_us_above_iterative")
                  .is_null());
    }

    TEST_CASE("datagrams are read again, and a result of before there were any is one of connections") {
        const Comparison datagrams = made_datagram_comparison();
        const std::string text = to_json(datagrams);
        const Comparison again = comparison_from_json(text, "file.json");
        CHECK(render_table(again) == render_table(datagrams));
        CHECK(again.workloads[0].measurements[1].datagrams().dropped == 297);
        const Comparison transports = made_transport_comparison();
        CHECK(render_table(comparison_from_json(to_json(transports), "file.json")) ==
              render_table(transports));
        boost::json::value old = boost::json::parse(to_json(made_comparison()));
        old.at("workloads").at(0).at("workload").as_object().erase("transport");
        old.at("workloads").at(0).at("workload").as_object().erase("model");
        old.at("workloads").at(0).as_object().erase("full_buffers");
        for (auto& measurement : old.at("workloads").at(0).at("measurements").as_array())
            for (auto& run : measurement.at("runs").as_array())
                run.as_object().erase("datagrams");
        const Comparison read = comparison_from_json(boost::json::serialize(old), "file.json");
        CHECK(render_table(read) == render_table(made_comparison()));
    }

    TEST_CASE("what is no result is refused in a sentence that names the place") {
        const std::string good = to_json(made_comparison());
        CHECK(complaint(good).empty());
        CHECK(complaint("").starts_with("file.json: it is not JSON"));
        CHECK(complaint("[]") == "file.json: it has no schema, expected what bullpen compare --json writes");
        CHECK(complaint(R"({"schema": 2})") == "file.json: its schema is 2, expected 1");
        CHECK(contains(complaint(replaced(good, "\"repeat\":3", "\"repeat\":\"3\"")),
                       "repeat must be a whole number"));
        CHECK(contains(complaint(replaced(good, "\"wall_s\"", "\"wall\"")),
                       "workloads[0].measurements[0].runs[0].wall_s is missing"));
        CHECK(contains(complaint(replaced(good, "\"cpus\":2", "\"cpus\":-9999999999")),
                       "machine.cpus must be"));
    }
}
