#include "core/series_store.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

using namespace bullpen;
using metrics::MetricKind;
using metrics::SeriesStore;

namespace {

const Counter plain{"store_test_plain_total", "Plain."};
const Counter labelled{"store_test_labelled_total", "Labelled.", "kind", "size"};
const Gauge level{"store_test_level", "Level."};
const Histogram times{"store_test_seconds", "Times.", Buckets{1, 10}, "kind"};

/// The memory of a slot, and the worker that has it.
class Slot {
public:
    void occupy(std::uint32_t generation) {
        store_.reset();
        store_ = std::make_unique<SeriesStore>(memory_, generation);
        metrics::count_in(store_.get());
        store_->own_by_this_thread();
    }
    void leave() { store_.reset(); }

    [[nodiscard]] const SeriesMemory& memory() const noexcept { return memory_; }
    [[nodiscard]] std::vector<std::uint64_t> values(const std::string& name,
                                                    const std::vector<std::string>& labels = {}) const {
        const SeriesReading reading = memory_.read();
        CHECK(reading.is_sound);
        for (const SeriesReading::Record& record : reading.records)
            if (reading.definitions[record.definition].name == name && record.labels == labels)
                return record.values;
        return {};
    }

private:
    alignas(4096) std::array<std::byte, 4096> bytes_{};
    SeriesMemory memory_{bytes_.data(), bytes_.size()};
    std::unique_ptr<SeriesStore> store_;
};

using Words = std::vector<std::uint64_t>;

std::uint64_t bits(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

}  // namespace

TEST_SUITE("core: what a worker counts") {
    TEST_CASE("metrics without labels are there from the start, the others once they are counted") {
        Slot slot;
        slot.occupy(1);
        CHECK(slot.values("store_test_plain_total") == Words{0, 0});
        CHECK(slot.values("store_test_labelled_total", {"a", "b"}).empty());
        plain.add();
        plain.add(4);
        labelled.with("a", std::string{"b"}).add(2);
        labelled.with("a", "b").add();
        labelled.with("ab", "").add();
        times.with("x").observe(0.5);
        times.with("x").observe(1);
        times.with("x").observe(11);
        CHECK(slot.values("store_test_plain_total") == Words{5, 0});
        CHECK(slot.values("store_test_labelled_total", {"a", "b"}) == Words{3, 0});
        CHECK(slot.values("store_test_labelled_total", {"ab", ""}) == Words{1, 0});
        CHECK(slot.values("store_test_seconds", {"x"}) == Words{2, 0, 1, bits(12.5), 0, 0, 0, 0});
    }

    TEST_CASE("the next worker of the slot counts on, and its gauges begin anew") {
        Slot slot;
        slot.occupy(1);
        plain.add(3);
        labelled.with("a", "b").add();
        level.set(2);
        level.add(0.5);
        level.subtract();
        CHECK(slot.values("store_test_level") == Words{bits(1.5)});
        slot.occupy(2);
        CHECK(slot.values("store_test_level") == Words{0});
        plain.add();
        labelled.with("a", "b").add();
        CHECK(slot.values("store_test_plain_total") == Words{4, 0});
        CHECK(slot.values("store_test_labelled_total", {"a", "b"}) == Words{2, 0});
    }

    TEST_CASE("another thread counts for the worker, none of its counts is lost, and a series may be kept") {
        Slot slot;
        slot.occupy(1);
        const CounterSeries kept = labelled.with("a", "b");
        constexpr int times_each = 20'000;
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i)
            threads.emplace_back([&] {
                for (int k = 0; k < times_each; ++k) {
                    kept.add();
                    plain.add();
                    level.add();
                    times.with("x").observe(1);
                }
            });
        for (int k = 0; k < times_each; ++k) {
            kept.add();
            plain.add();
            level.add();
            times.with("x").observe(1);
        }
        for (std::thread& thread : threads)
            thread.join();
        CHECK(slot.values("store_test_labelled_total", {"a", "b"}) == Words{times_each, 3 * times_each});
        CHECK(slot.values("store_test_plain_total") == Words{times_each, 3 * times_each});
        CHECK(slot.values("store_test_level") == Words{bits(4.0 * times_each)});
        CHECK(slot.values("store_test_seconds", {"x"}) ==
              Words{times_each, 0, 0, bits(times_each), 3 * times_each, 0, 0, bits(3.0 * times_each)});
    }

    TEST_CASE("a series that was found before there was a worker counts for the worker") {
        const CounterSeries early = labelled.with("early", "");
        early.add();
        Slot slot;
        slot.occupy(1);
        early.add(2);
        CHECK(slot.values("store_test_labelled_total", {"early", ""}) == Words{0, 2});
        slot.leave();
        early.add(2);
        plain.add();
        CHECK(slot.values("store_test_labelled_total", {"early", ""}) == Words{0, 2});
    }

    TEST_CASE("what has no room counts nothing, and each try is noted") {
        Slot slot;
        slot.occupy(1);
        for (int i = 0; i < 200; ++i)
            labelled.with(std::to_string(i), "").add();
        const SeriesReading reading = slot.memory().read();
        CHECK(reading.is_sound);
        CHECK(reading.refused > 50);
        const std::uint64_t refused = reading.refused;
        const Histogram late{"store_test_late", "Late.", Buckets{1, 2, 3, 4, 5, 6, 7, 8, 9}};
        late.observe(3);  // Neither its definition nor it has room.
        CHECK(slot.memory().read().refused > refused);
        plain.add();
        CHECK(slot.values("store_test_plain_total") == Words{1, 0});
    }

    TEST_CASE("a value of more than 200 bytes is refused") {
        Slot slot;
        slot.occupy(1);
        labelled.with(std::string(200, 'v'), "").add();
        labelled.with(std::string(201, 'v'), "").add();
        CHECK(slot.memory().read().refused == 1);
        CHECK(slot.values("store_test_labelled_total", {std::string(200, 'v'), ""}) == Words{1, 0});
    }

    TEST_CASE("in a damaged memory the next worker begins anew") {
        Slot slot;
        slot.occupy(1);
        plain.add(3);
        slot.memory().word(2) = ~std::uint64_t{0};
        slot.occupy(2);
        plain.add();
        CHECK(slot.values("store_test_plain_total") == Words{1, 0});
    }

    TEST_CASE(
        "equal definitions are one metric; another of that name is a mistake, in a worker by exception") {
        Slot slot;
        slot.occupy(1);
        const Counter again{"store_test_plain_total", "Plain."};
        again.add();
        plain.add();
        CHECK(slot.values("store_test_plain_total") == Words{2, 0});
        CHECK_THROWS_WITH_AS(
            (Counter{"store_test_plain_total", "Plain.", "kind"}),
            "metric 'store_test_plain_total': it was defined before, with another kind, help "
            "text, labels or buckets",
            std::invalid_argument);
        CHECK_THROWS_AS((Counter{"wrong name_total", "Help."}), std::invalid_argument);
    }
}
