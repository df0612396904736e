#include "core/series_memory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <random>

using namespace bullpen;
using metrics::MetricKind;

namespace {

struct Pages {
    alignas(4096) std::array<std::byte, 4096> bytes{};
    SeriesMemory memory{bytes.data(), bytes.size()};
};

const MetricDefinition sizes{.kind = MetricKind::histogram,
                             .name = "shop_size_bytes",
                             .help = "Sizes.",
                             .labels = {"kind"},
                             .bounds = {1, 2.5}};
const MetricDefinition calls{.kind = MetricKind::counter, .name = "shop_calls_total", .help = "Calls."};

}  // namespace

TEST_SUITE("core: the memory of a worker's metrics") {
    TEST_CASE("what was appended is read again, with its values") {
        Pages pages;
        REQUIRE(pages.memory.append(calls));
        REQUIRE(pages.memory.append(sizes));
        const auto first = pages.memory.append(sizes, 1, {"book"}, 3);
        const auto second = pages.memory.append(calls, 0, {}, 3);
        REQUIRE(first);
        REQUIRE(second);
        pages.memory.word(*second) = 7;
        pages.memory.word(*first + 1) = 8;
        pages.memory.note_refused();

        const SeriesReading reading = pages.memory.read();
        CHECK(reading.is_sound);
        CHECK(reading.refused == 1);
        CHECK(reading.definitions == std::vector<MetricDefinition>{calls, sizes});
        REQUIRE(reading.records.size() == 2);
        CHECK(reading.records[0].labels == std::vector<std::string>{"book"});
        CHECK(reading.records[0].values == std::vector<std::uint64_t>{0, 8, 0, 0, 0, 0, 0, 0});
        CHECK(reading.records[0].generation == 3);
        CHECK(reading.records[1].definition == 0);
        CHECK(reading.records[1].values == std::vector<std::uint64_t>{7, 0});
    }

    TEST_CASE("without room nothing is appended, and what is there stays") {
        Pages pages;
        REQUIRE(pages.memory.append(sizes));
        std::size_t count = 0;
        while (pages.memory.append(sizes, 0, {std::to_string(count)}, 1))
            ++count;
        CHECK(count > 30);
        CHECK(pages.memory.read().records.size() == count);
        CHECK_FALSE(SeriesMemory{}.append(calls));
        CHECK(SeriesMemory{}.read().records.empty());
    }

    TEST_CASE("a gauge is said to be another worker's") {
        Pages pages;
        const MetricDefinition gauge{.kind = MetricKind::gauge, .name = "shop_open", .help = "Open."};
        REQUIRE(pages.memory.append(gauge));
        REQUIRE(pages.memory.append(gauge, 0, {}, 1));
        pages.memory.set_generation(pages.memory.read().records[0], 5);
        CHECK(pages.memory.read().records[0].generation == 5);
    }

    TEST_CASE("records behind one that is none are not read, whatever is there") {
        std::mt19937_64 random{1};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time.
        for (int round = 0; round < 20'000; ++round) {
            Pages pages;
            REQUIRE(pages.memory.append(sizes));
            REQUIRE(pages.memory.append(sizes, 0, {"book"}, 1));
            REQUIRE(pages.memory.append(calls));
            REQUIRE(pages.memory.append(calls, 1, {}, 1));
            for (std::uint64_t hits = random() % 4 + 1; hits > 0; --hits) {
                const std::size_t at = random() % 60;
                switch (random() % 3) {
                    case 0: pages.memory.word(at) = random(); break;
                    case 1: pages.memory.word(at) = random() % 100; break;
                    default: pages.bytes[8 * at + random() % 8] = static_cast<std::byte>(random());
                }
            }
            const SeriesReading reading = pages.memory.read();
            CHECK(reading.records.size() < 4096 / 8);
            for (const SeriesReading::Record& record : reading.records) {
                REQUIRE(record.definition < reading.definitions.size());
                const MetricDefinition& metric = reading.definitions[record.definition];
                REQUIRE(is_sound(metric));
                REQUIRE(record.values.size() == metric.words());
                REQUIRE(record.labels.size() == metric.labels.size());
                REQUIRE(record.place + metric.words() <= 4096 / 8);
            }
        }
    }
}

TEST_SUITE("core: definitions of metrics") {
    TEST_CASE("what Prometheus can't have is told by a sentence") {
        const auto complaint = [](MetricDefinition metric) {
            if (metric.help.empty()) metric.help = "Help.";
            return complaint_about(metric);
        };
        CHECK(complaint({.name = "shop_calls_total"}).empty());
        CHECK(complaint({.name = "shop_calls_total", .labels = {"a", "b_1"}}).empty());
        CHECK(complaint({.name = "1shop_total"}) ==
              "metric '1shop_total': a metric's name has letters, digits, _ and :, begins with no digit, and "
              "has at most 100 characters");
        CHECK_FALSE(complaint({.name = std::string(95, 'n') + "_total"}).empty());
        CHECK_FALSE(complaint({.name = "shop calls_total"}).empty());
        CHECK(complaint({.name = "shop_calls"}) == "metric 'shop_calls': a counter's name ends in _total");
        CHECK(complaint({.kind = MetricKind::gauge, .name = "shop_calls"}).empty());
        CHECK(complaint({.name = "bullpen_calls_total"}) ==
              "metric 'bullpen_calls_total': names that begin with bullpen_ are taken");
        CHECK(complaint({.name = "a_total", .help = std::string(501, 'h')}) ==
              "metric 'a_total': a metric has a help text of at most 500 bytes of UTF-8");
        CHECK_FALSE(complaint({.name = "a_total", .help = "\xff"}).empty());
        CHECK(complaint({.name = "a_total", .labels = std::vector<std::string>(9, "l")}) ==
              "metric 'a_total': a metric has at most 8 labels");
        CHECK(complaint({.name = "a_total", .labels = {"a-b"}}) ==
              "metric 'a_total': the label 'a-b' is no name: letters, digits and _, without a digit or __ at "
              "its beginning");
        CHECK_FALSE(complaint({.name = "a_total", .labels = {"__name"}}).empty());
        CHECK(complaint({.name = "a_total", .labels = {"pool"}}) ==
              "metric 'a_total': the label pool is set by the exporter");
        CHECK(complaint({.name = "a_total", .labels = {"a", "a"}}) ==
              "metric 'a_total': the label a comes twice");
        const auto histogram = [&](std::vector<double> bounds) {
            return complaint({.kind = MetricKind::histogram, .name = "a", .bounds = std::move(bounds)});
        };
        CHECK(histogram({1, 2}).empty());
        CHECK(histogram({}) == "metric 'a': a histogram has 1 to 40 buckets");
        CHECK(histogram(std::vector<double>(41)) == "metric 'a': a histogram has 1 to 40 buckets");
        for (const double bound :
             {1.0, 0.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
            CHECK(histogram({1, bound}) ==
                  "metric 'a': the bounds of a histogram's buckets are finite, and each is above the one "
                  "before");
    }
}
