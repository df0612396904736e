#include "metrics/handler_metrics.hpp"

#include <doctest/doctest.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <memory>

#include "core/series_store.hpp"
#include "tests/contains.hpp"

using namespace bullpen;
using metrics::MetricKind;
using metrics::SeriesStore;

namespace {

/// A pool of workers that count.
struct Workers {
    explicit Workers(std::uint32_t slots, const std::string& name = "web", std::uint32_t kib = 16)
        : board{slots, 1, kib} {
        views.push_back(PoolView{{.name = name, .scoreboard_fd = board.fd(), .slots = slots}});
        for (std::uint32_t slot = 0; slot < slots; ++slot)
            start(slot, 1);
    }
    void start(std::uint32_t slot, std::uint32_t generation) {
        board.entry(slot).stage = static_cast<std::uint32_t>(Stage::ready);
        board.entry(slot).generation = generation;
    }
    /// What `body` counts is the worker's.
    template <typename Body>
    void in(std::uint32_t slot, const Body& body) {
        SeriesStore store{board.series(slot), board.entry(slot).generation.load()};
        store.own_by_this_thread();
        metrics::count_in(&store);
        body();
    }
    std::string text() {
        std::vector<prometheus::MetricFamily> families;
        metrics.add_to(families, views);
        return prometheus::TextSerializer{}.Serialize(families);
    }

    Scoreboard board;
    std::vector<PoolView> views;
    HandlerMetrics metrics;
};

/// Its metrics are defined in workers alone, so that no other test has them.
struct Shop {
    Counter<1> orders{"shop_orders_total", "Orders taken.", "kind"};
    Gauge<0> open{"shop_open", "Open now."};
    Gauge<0> highest{OverWorkers::max, "shop_highest", "Highest."};
    Gauge<0> lowest{OverWorkers::min, "shop_lowest", "Lowest."};
    Histogram<0> sizes{"shop_size_bytes", "Sizes.", Buckets{1, 10}};
};

}  // namespace

TEST_SUITE("the metrics of handlers") {
    TEST_CASE("they are added up over the workers, with help text, type and pool") {
        Workers workers{3};
        for (std::uint32_t slot = 0; slot < 2; ++slot)
            workers.in(slot, [&] {
                const Shop shop;
                shop.orders.with("book").add(slot + 1);
                shop.open.set(2);
                shop.highest.set(slot + 5);
                shop.lowest.set(slot + 5);
                shop.sizes.observe(0.5);
                shop.sizes.observe(100);
            });
        workers.in(2, [] { const Counter<1> known{"shop_orders_total", "Orders taken.", "kind"}; });
        const std::string text = workers.text();
        for (const char* lines :
             {"# HELP shop_orders_total Orders taken.\n# TYPE shop_orders_total counter\n"
              "shop_orders_total{pool=\"web\",kind=\"book\"} 3\n",
              "shop_open{pool=\"web\"} 4\n", "shop_highest{pool=\"web\"} 6\n",
              "shop_lowest{pool=\"web\"} 0\n", "shop_size_bytes_count{pool=\"web\"} 4\n",
              "shop_size_bytes_sum{pool=\"web\"} 201\n", "shop_size_bytes_bucket{pool=\"web\",le=\"1\"} 2\n",
              "shop_size_bytes_bucket{pool=\"web\",le=\"10\"} 2\n",
              "shop_size_bytes_bucket{pool=\"web\",le=\"+Inf\"} 4\n",
              "bullpen_metric_series_refused_total{pool=\"web\"} 0\n"})
            CHECK_MESSAGE(contains(text, lines), lines, " in ", text);
    }

    TEST_CASE("a gauge ends with its worker, a counter goes on") {
        Workers workers{2};
        const auto count = [](double open) {
            return [open] {
                const Shop shop;
                shop.open.set(open);
                shop.orders.with("book").add();
            };
        };
        workers.in(0, count(1));
        workers.in(1, count(10));
        CHECK(contains(workers.text(), "shop_open{pool=\"web\"} 11\n"));
        workers.board.entry(1).stage = static_cast<std::uint32_t>(Stage::vacant);
        CHECK(contains(workers.text(), "shop_open{pool=\"web\"} 1\n"));
        workers.start(1, 2);
        CHECK(contains(workers.text(), "shop_open{pool=\"web\"} 1\n"));
        workers.in(1, count(100));
        CHECK(contains(workers.text(), "shop_open{pool=\"web\"} 101\n"));
        CHECK(contains(workers.text(), "shop_orders_total{pool=\"web\",kind=\"book\"} 3\n"));
    }

    TEST_CASE("a counter doesn't decrease when a broken worker has damaged its memory") {
        Workers workers{2};
        const auto count = [&](std::uint32_t slot) {
            workers.in(slot, [] {
                const Shop shop;
                shop.orders.with("book").add(5);
                shop.sizes.observe(5);
            });
        };
        count(0);
        count(1);
        CHECK(contains(workers.text(), "kind=\"book\"} 10\n"));
        workers.board.series(1).word(2) = 0;
        CHECK(contains(workers.text(), "kind=\"book\"} 10\n"));
        count(1);  // It begins anew.
        CHECK(contains(workers.text(), "kind=\"book\"} 15\n"));
        CHECK(contains(workers.text(), "shop_size_bytes_count{pool=\"web\"} 3\n"));
        workers.board.series(0).word(2) = 0;
        workers.board.series(1).word(2) = 0;
        CHECK(contains(workers.text(), "kind=\"book\"} 15\n"));
    }

    TEST_CASE(
        "a number that can't have been counted isn't shown, and labels that come and go are forgotten") {
        Workers workers{1, "web", 1024};
        workers.in(0, [] { Shop{}.orders.with("book").add(5); });
        CHECK(contains(workers.text(), "kind=\"book\"} 5\n"));
        const SeriesMemory memory = workers.board.series(0);
        memory.word(memory.read().records[0].place) = ~std::uint64_t{0};
        CHECK(contains(workers.text(), "kind=\"book\"} 5\n"));

        const MetricDefinition metric{.name = "many_total", .help = "Many.", .labels = {"of"}};
        for (int number = 0; number < 110'000;) {
            memory.clear();
            REQUIRE(memory.append(metric));
            while (memory.append(metric, 0, {std::to_string(number)}, 1))
                ++number;
            (void)workers.text();
        }
        const std::string text = workers.text();
        CHECK(contains(text, "many_total{"));
        CHECK_FALSE(contains(text, "of=\"0\""));
    }

    TEST_CASE("no metric takes a name that is taken, and no two series are one") {
        Workers workers{2};
        const auto append = [&](std::uint32_t slot, const MetricDefinition& metric,
                                const std::vector<std::string>& labels) {
            const SeriesMemory memory = workers.board.series(slot);
            REQUIRE(memory.append(metric));
            const std::size_t number = memory.read().definitions.size() - 1;
            REQUIRE(memory.append(metric, number, labels, 1));
        };
        append(0, {.name = "bullpen_metric_series_refused_total", .help = "Mine."}, {});
        append(0, {.name = "taken_total", .help = "Mine."}, {});
        append(1, {.name = "taken_total", .help = "Another's."}, {});
        append(0, {.kind = MetricKind::histogram, .name = "b", .help = "Mine.", .bounds = {1}}, {});
        append(0, {.kind = MetricKind::gauge, .name = "b_sum", .help = "Mine."}, {});
        append(0, {.name = "bytes_total", .help = "Mine.", .labels = {"of"}}, {"\xff"});
        append(1, {.name = "bytes_total", .help = "Mine.", .labels = {"of"}}, {"\xfe"});
        const std::string text = workers.text();
        CHECK(contains(text, "# HELP taken_total Mine."));
        CHECK_FALSE(contains(text, "Another's"));
        CHECK_FALSE(contains(text, "refused_total Mine."));
        CHECK_FALSE(contains(text, "b_sum gauge"));
        CHECK(text.find("bytes_total{") == text.rfind("bytes_total{"));
    }

    TEST_CASE("pools are told apart") {
        Workers web{1};
        Workers echo{1, "echo"};
        for (Workers* pool : {&web, &echo})
            pool->in(0, [] { Shop{}.orders.with("book").add(); });
        web.views.push_back(PoolView{{.name = "echo", .scoreboard_fd = echo.board.fd(), .slots = 1}});
        const std::string text = web.text();
        CHECK(contains(text, "shop_orders_total{pool=\"web\",kind=\"book\"} 1\n"));
        CHECK(contains(text, "shop_orders_total{pool=\"echo\",kind=\"book\"} 1\n"));
    }
}
