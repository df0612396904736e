#include "servers/cli/load_report.hpp"

#include <doctest/doctest.h>

#include "tests/servers/bench/text/made_numbers.hpp"

using namespace bullpen;

TEST_SUITE("cli: what load has found, as text") {
    TEST_CASE("no line is wider than the terminal, whatever the numbers are") {
        for (unsigned seed = 0; seed < 300; ++seed) {
            CAPTURE(seed);
            MadeNumbers made{seed};
            LoadOptions options;
            options.concurrency = static_cast<int>(made.count_upto(5)) + 1;
            options.rate = made.rarely() ? made.upto(9) : 0;
            LoadResult result;
            result.requests = made.count_upto(18) + 1;
            result.connections = made.count_upto(18);
            result.bytes = made.count_upto(18);
            result.wall_s = made.upto(5);
            result.client_cpu_s = made.upto(6);
            result.classes.resize(seed % 3);
            for (auto& of_class : result.classes) {
                of_class.name = std::string(seed % 30, 'x') + "äöü";
                of_class.latencies.record(static_cast<std::uint64_t>(made.upto(18)));
            }
            for (int i = 0; i < 20; ++i)
                result.latencies.record(static_cast<std::uint64_t>(made.upto(18)));
            const int doublings = seed % 20 == 0 ? 50 : 0;
            for (int i = 0; i < doublings; ++i)
                result.latencies.add(Latencies{result.latencies});
            CHECK(widest_line(
                      render_load({.url = "http://127.0.0.1/", .options = options, .result = result})) <= 80);
        }
    }
}
