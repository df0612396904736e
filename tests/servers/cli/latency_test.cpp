#include "servers/cli/latency.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: latencies") {
    TEST_CASE("without samples everything is 0") {
        Latencies none;
        CHECK(none.count() == 0);
        CHECK(none.quantile_us(500) == 0);
        CHECK(none.summary().max_us == 0);
    }

    TEST_CASE("one sample is every quantile") {
        Latencies one;
        one.record(1'234'000);
        for (const unsigned permille : {0U, 1U, 500U, 999U, 1000U})
            CHECK(one.quantile_us(permille) == 1234);
    }

    TEST_CASE("a quantile is the nearest rank, whatever the order of the samples") {
        Latencies samples;
        for (std::uint64_t i = 0; i < 1000; ++i)
            samples.record((i * 7919 % 1000 + 1) * 1000);  // 1 to 1000 µs.
        CHECK(samples.quantile_us(1) == 1);
        CHECK(samples.quantile_us(500) == 500);
        CHECK(samples.quantile_us(990) == 990);
        CHECK(samples.quantile_us(999) == 999);
        CHECK(samples.quantile_us(1000) == 1000);
        CHECK(samples.quantile_us(500) == 500);
        CHECK(samples.summary().mean_us == 500.5);
    }

    TEST_CASE("of two samples the shorter is the median") {
        Latencies two;
        two.record(9000);
        two.record(5000);
        CHECK(two.quantile_us(500) == 5);
        CHECK(two.quantile_us(501) == 9);
    }

    TEST_CASE("durations are rounded to microseconds and do not wrap around") {
        Latencies samples;
        samples.record(1499);
        samples.record(1500);
        samples.record(~std::uint64_t{0} - 1000);
        CHECK(samples.quantile_us(1) == 1);
        CHECK(samples.quantile_us(666) == 2);
        CHECK(samples.quantile_us(1000) == 4'294'967'295.0);
    }
}
