#include "servers/bench/report/report.hpp"

#include <doctest/doctest.h>

#include <random>

#include "tests/servers/bench/compare/made_comparison.hpp"

using namespace bullpen;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

/// What stands between two marks, and the position after it.
std::string between(const std::string& text, const std::string& from, const std::string& to,
                    std::size_t& at) {
    at = text.find(from, at);
    if (at == std::string::npos) return {};
    at += from.size();
    return text.substr(at, text.find(to, at) - at);
}

}  // namespace

TEST_SUITE("cli: the report") {
    TEST_CASE("it says what was measured on what, and how to repeat it") {
        const std::string page = render_report(made_comparison());
        for (const std::string datum :
             {"2026-01-02T03:04:05Z", "Linux 6.1.0", "2 CPUs", "2,048 MiB", "bullpen compare --repeat 3",
              "1.2.3", "iterative and prefork, not told apart", "a connection a request",
              "the service http has no"})
            CHECK_MESSAGE(count(page, datum) > 0, datum);
    }

    TEST_CASE("every model has its mark in every plot and its numbers in the tables") {
        const std::string page = render_report(made_comparison());
        // Bars for throughput, CPU, memory and workers, and a line in either size of the latency plot.
        for (const char* model : {"iterative", "fork", "prefork"})
            CHECK(count(page, std::string{"data-model=\""} + model + "\"") == 6);
        for (const std::string number : {"11,000", "9,500", "1.30", "2.10–2.30", "31.0", "151", "10.0",
                                         "+10.0", "256", "0.82", "3.0 MiB", "1.20–1.40", "0.25"})
            CHECK_MESSAGE(count(page, number) > 0, number);
    }

    TEST_CASE("datagrams have a table of what was sent, again, answered and dropped") {
        const std::string page = render_report(made_datagram_comparison());
        CHECK(count(page, "Datagrams, all runs together") == 2);  // Of the table and of its box.
        for (const char* number : {"3,000", "360", "2,700", "10.00 %", "297", "Datagrams of each worker"})
            CHECK_MESSAGE(count(page, number) > 0, number);
        CHECK(count(render_report(made_comparison()), "Datagrams") == 0);
    }

    TEST_CASE("transports have a page with what a full receive buffer did") {
        const std::string page = render_report(made_transport_comparison());
        for (const char* text : {"An echo over 3 transports", "TCP, a connection for each question.",
                                 "A full receive buffer", "9,843", "EAGAIN", "is held", "in two",
                                 "data-model=\"tcp-each\"", "Datagrams, all runs together"})
            CHECK_MESSAGE(count(page, text) > 0, text);
        CHECK(count(page, "of each worker") == 0);
        CHECK(count(render_report(made_comparison()), "A full receive buffer") == 0);
    }

    TEST_CASE("it needs nothing beside it, and what is written into it is escaped") {
        Comparison comparison = made_comparison();
        comparison.command = "bullpen compare --root '</code><script>'";
        const std::string page = render_report(comparison);
        CHECK(count(page, "<script") == 0);
        CHECK(count(page, "http://") == 0);
        CHECK(count(page, "https://") == 0);
        CHECK(count(page, "src=") == 0);
        CHECK(count(page, "url(") == 0);
        CHECK(count(page, "A &lt;b&gt;processor&lt;/b&gt;") > 0);
    }

    TEST_CASE("a comparison of which nothing came out is a page too") {
        Comparison comparison = made_comparison();
        for (Measurement& m : comparison.workloads[0].measurements)
            m.failure = "it died";
        CHECK(count(render_report(comparison), "No model was measured.") > 0);
        CHECK(count(render_report(Comparison{}), "Nothing was measured.") > 0);
    }

    TEST_CASE("several workloads begin with who is best at what") {
        Comparison comparison = made_comparison();
        CHECK(count(render_report(comparison), "At a glance") == 0);
        comparison.workloads.push_back(comparison.workloads[0]);
        CHECK(count(render_report(comparison), "At a glance") == 1);
    }

    TEST_CASE("the bars of CPU time are as long as the number beside them says") {
        int compared = 0;
        std::mt19937 random{1};
        for (int made = 0; made < 100; ++made) {
            Comparison comparison = made_comparison();
            for (Measurement& m : comparison.workloads[0].measurements)
                for (Run& run : m.runs)
                    for (double* seconds : {&run.server.user_s, &run.server.system_s})
                        *seconds = std::uniform_real_distribution{0.0, 1e-4}(random) *
                                   static_cast<double>(run.requests);
            const std::string page = render_report(comparison);
            std::size_t at = 0;
            const std::string figure = between(page, "<figure class=\"rows cpu\">", "</figure>", at);
            std::vector<std::pair<double, double>> rows;  // Where the bar ends, and the number.
            for (std::size_t row = 0; row != std::string::npos;) {
                if (between(figure, "<rect class=\"mark system\"", ">", row).empty()) break;
                const double x = std::stod(between(figure, "x=\"", "%", row));
                const double width = std::stod(between(figure, "width=\"", "%", row));
                std::string number = between(figure, "<span class=\"value\">", " µs", row);
                std::erase(number, ',');
                rows.emplace_back(x + width, std::stod(number));
            }
            REQUIRE(rows.size() == 3);
            for (const auto& [end, number] : rows)
                for (const auto& [other_end, other_number] : rows) {
                    if (end < 5 || other_end < 5 || end >= 100 || other_end >= 100)
                        continue;  // Rounded, or cut.
                    CHECK(end / other_end == doctest::Approx(number / other_number).epsilon(0.02));
                    compared += end != other_end ? 1 : 0;
                }
        }
        CHECK(compared > 10);
    }
}
