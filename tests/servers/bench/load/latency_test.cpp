#include "servers/bench/load/latency.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

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

    TEST_CASE("long durations are within 0.05 %, and never said to be longer than the longest") {
        Latencies samples;
        for (std::uint64_t us = 4'000; us < 4'000'000'000; us = us * 11 / 10) {
            Latencies one;
            one.record(us * 1000);
            one.record(us * 2000);
            CHECK(one.quantile_us(500) == doctest::Approx(static_cast<double>(us)).epsilon(0.0005));
            CHECK(one.quantile_us(500) >= static_cast<double>(us));
        }
        samples.record(5'000'100'000);
        CHECK(samples.quantile_us(500) == 5'000'100);
    }

    TEST_CASE("latencies of two runs are added up") {
        Latencies one;
        Latencies other;
        one.record(1'000'000);
        other.record(3'000'000);
        other.record(9'000'000'000);
        one.add(other);
        CHECK(one.count() == 3);
        CHECK(one.quantile_us(500) == 3000);
        CHECK(one.summary().max_us == 9'000'000);
        CHECK(one.summary().mean_us == doctest::Approx(9'004'000.0 / 3));
        other.add(Latencies{});
        CHECK(other.count() == 2);
    }

    TEST_CASE("the distribution rises from the shortest to the longest, and is close-meshed at its tail") {
        CHECK(Latencies{}.distribution().empty());
        Latencies samples;
        for (std::uint64_t us = 1; us <= 4000; ++us)
            samples.record(us * 1000);
        const auto points = samples.distribution();
        CHECK(points.front().us == 1);
        CHECK(points.back().quantile == 1);
        CHECK(points.back().us == 4000);
        for (std::size_t i = 1; i < points.size(); ++i) {
            CHECK(points[i].quantile > points[i - 1].quantile);
            CHECK(points[i].us >= points[i - 1].us);
        }
        for (const double wanted : {0.5, 0.9, 0.99, 0.999}) {
            const auto found = std::find_if(points.begin(), points.end(), [&](const LatencyPoint& point) {
                return std::abs(point.quantile - wanted) < 1e-12;
            });
            REQUIRE(found != points.end());
            CHECK(found->us == 4000 * wanted);
        }
    }
}
