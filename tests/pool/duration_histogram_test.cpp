#include "pool/duration_histogram.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace bullpen;

TEST_SUITE("pool: histograms") {
    TEST_CASE("every duration lies below the end of its bucket and not below the end of the one before") {
        for (std::uint64_t ns = 0; ns < 3'000'000; ns += 7) {
            const std::size_t bucket = bucket_of(ns);
            REQUIRE(ns < bucket_end_ns(bucket));
            REQUIRE((bucket == 0 || ns >= bucket_end_ns(bucket - 1)));
        }
        for (std::uint64_t ns = 1; ns < std::uint64_t{1} << 58; ns += ns / 16 + 1) {
            const std::size_t bucket = bucket_of(ns);
            REQUIRE(bucket < histogram_buckets);
            REQUIRE(ns < bucket_end_ns(bucket));
            REQUIRE((bucket == 0 || ns >= bucket_end_ns(bucket - 1)));
        }
    }

    TEST_CASE("the ends of the buckets rise by at most a quarter, from 1 us to 1,074 s") {
        CHECK(bucket_end_ns(0) == 1'000);
        CHECK(bucket_end_ns(1) == 1'250);
        CHECK(bucket_end_ns(4) == 2'000);
        CHECK(bucket_end_ns(histogram_buckets - 2) == std::uint64_t{1000} << 30);
        for (std::size_t bucket = 1; bucket < histogram_buckets - 1; ++bucket) {
            CHECK(bucket_end_ns(bucket) > bucket_end_ns(bucket - 1));
            CHECK(bucket_end_ns(bucket) * 4 <= bucket_end_ns(bucket - 1) * 5);
        }
    }

    TEST_CASE("what is too long for all buckets is in the last") {
        CHECK(bucket_of(~std::uint64_t{0}) == histogram_buckets - 1);
        CHECK(bucket_of((std::uint64_t{1000} << 30) - 1) == histogram_buckets - 2);
        CHECK(bucket_of(std::uint64_t{1000} << 30) == histogram_buckets - 1);
    }

    TEST_CASE("recording counts once and adds to the sum") {
        const auto histogram = std::make_unique<DurationHistogram>();
        histogram->record(1'500);
        histogram->record(1'500);
        CHECK(histogram->counts[bucket_of(1'500)] == 2);
        CHECK(histogram->sum_ns == 3'000);
    }
}
