#include "metrics/pool_metrics.hpp"

#include <doctest/doctest.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "core/socket_diag.hpp"

using namespace bullpen;

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

PoolView view_of(const Scoreboard& board, const std::string& name = "web",
                 std::vector<std::string> listeners = {"127.0.0.1:8080"}) {
    return PoolView{{.name = name,
                     .listeners = std::move(listeners),
                     .scoreboard_fd = board.fd(),
                     .slots = board.slots()}};
}

std::string text_of(const std::vector<PoolView>& pools) {
    return prometheus::TextSerializer{}.Serialize(PoolMetrics{pools, "1.2.3"}.Collect());
}

std::string text_of(const Scoreboard& board) {
    std::vector<PoolView> pools;
    pools.push_back(view_of(board));
    return text_of(pools);
}

/// What stands before the value: name and labels.
std::map<std::string, double> samples_in(const std::string& text) {
    std::map<std::string, double> samples;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') continue;
        const std::size_t space = line.rfind(' ');
        CHECK_MESSAGE(samples.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second,
                      "twice: ", line);
    }
    return samples;
}

void occupy(Scoreboard& board, std::uint32_t slot, Stage stage) {
    board.entry(slot).stage = static_cast<std::uint32_t>(stage);
    board.entry(slot).generation = 1;
    board.header().started_ns = 1;  // Long enough ago for any time in the rows.
}

/// Eleven accepted: 4 ok, 1 thrown, 1 aborted, 2 + 1 timed out, 1 lost; 1 in a handler.
void fill(Scoreboard& board) {
    ScoreboardHeader& header = board.header();
    header.hands_off = 1;
    header.reload_successful = 1;
    header.reloaded_at_s = 1'700'000'000;
    header.spare_min = 2;
    header.spare_max = 6;
    header.listeners = 1;
    header.accepted = 11;
    header.handoffs = 12;
    header.recovered = 1;
    header.spawns = 3;
    header.saturated_ns = 2 * second_ns + second_ns / 2;
    header.log_lines_dropped = 9;
    header.exits[static_cast<std::size_t>(ExitReason::signalled)] = 1;
    header.lost[static_cast<std::size_t>(ExitReason::signalled)] = 1;
    header.accepted = header.accepted + 10;  // What has become of them in the master's own hands:
    header.parked = 2;
    header.parkings = 21;
    header.completed = 3;
    header.client_aborted = 1;
    header.timed_out[static_cast<std::size_t>(Limit::idle)] = 1;
    header.refused[static_cast<std::size_t>(Refusal::denied)] = 3;
    header.listen_queues[0].length = 5;
    header.listen_queues[0].limit = 4096;

    occupy(board, 0, Stage::ready);
    board.entry(0).handed = board.entry(0).given = 8;
    ScoreboardRow& first = board.row(0);
    first.begun = 8;
    first.finished = 7;
    first.completed = 4;
    first.failed = 1;
    first.timed_out[static_cast<std::size_t>(Limit::read)] = 2;
    first.busy_ns = 3 * second_ns;

    occupy(board, 1, Stage::ready);
    board.entry(1).generation = 2;
    board.entry(1).handed = board.entry(1).given = 3;
    ScoreboardRow& second = board.row(1);
    second.begun = 3;
    second.finished = 2;
    board.entry(1).lost = 1;
    second.client_aborted = 1;
    second.timed_out[static_cast<std::size_t>(Limit::write)] = 1;
    second.busy_ns = second_ns / 4;
}

}  // namespace

TEST_SUITE("the pool's metrics") {
    TEST_CASE("the text has exactly the samples that the scoreboard says") {
        Scoreboard board{3};
        fill(board);
        auto samples = samples_in(text_of(board));
        const auto of_the_kernel = [](const auto& sample) {
            return sample.first.starts_with("bullpen_tcp_sockets{");
        };
        CHECK(std::erase_if(samples, of_the_kernel) == socket_states);
        std::erase_if(samples,
                      [](const auto& sample) { return sample.first.find("_bucket{") != std::string::npos; });
        const std::map<std::string, double> expected{
            {R"(bullpen_connections_accepted_total{pool="web"})", 21},
            {R"(bullpen_connections_completed_total{pool="web",outcome="ok"})", 7},
            {R"(bullpen_connections_completed_total{pool="web",outcome="error"})", 1},
            {R"(bullpen_connections_lost_total{pool="web",reason="retired"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="start"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="exited"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="signal"})", 1},
            {R"(bullpen_connections_lost_total{pool="web",reason="descriptors"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="replaced"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="drain_timeout"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="request_timeout"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="stopped"})", 0},
            {R"(bullpen_connections_lost_total{pool="web",reason="master"})", 0},
            {R"(bullpen_connections_refused_total{pool="web",reason="overload"})", 0},
            {R"(bullpen_connections_refused_total{pool="web",reason="startups"})", 0},
            {R"(bullpen_connections_refused_total{pool="web",reason="source"})", 0},
            {R"(bullpen_connections_refused_total{pool="web",reason="rate"})", 0},
            {R"(bullpen_connections_refused_total{pool="web",reason="banned"})", 0},
            {R"(bullpen_connections_refused_total{pool="web",reason="denied"})", 3},
            {R"(bullpen_connections_refused_total{pool="web",reason="connections"})", 0},
            {R"(bullpen_connections_refused_total{pool="web",reason="stopping"})", 0},
            {R"(bullpen_connections_client_aborted_total{pool="web"})", 2},
            {R"(bullpen_connections_timed_out_total{pool="web",limit="idle"})", 1},
            {R"(bullpen_connections_timed_out_total{pool="web",limit="header"})", 0},
            {R"(bullpen_connections_timed_out_total{pool="web",limit="body"})", 0},
            {R"(bullpen_connections_timed_out_total{pool="web",limit="read"})", 2},
            {R"(bullpen_connections_timed_out_total{pool="web",limit="write"})", 1},
            {R"(bullpen_connections_in_flight{pool="web",where="queued"})", 0},
            {R"(bullpen_connections_in_flight{pool="web",where="begun"})", 1},
            {R"(bullpen_connections_in_flight{pool="web",where="parked"})", 2},
            {R"(bullpen_connections_parked_total{pool="web"})", 21},
            {R"(bullpen_handoffs_total{pool="web"})", 12},
            {R"(bullpen_handoffs_recovered_total{pool="web"})", 1},
            {R"(bullpen_workers{pool="web",state="starting"})", 0},
            {R"(bullpen_workers{pool="web",state="idle"})", 1},
            {R"(bullpen_workers{pool="web",state="busy"})", 1},
            {R"(bullpen_workers{pool="web",state="draining"})", 0},
            {R"(bullpen_workers_max{pool="web"})", 3},
            {R"(bullpen_spare_min{pool="web"})", 2},
            {R"(bullpen_spare_max{pool="web"})", 6},
            {R"(bullpen_worker_spawns_total{pool="web"})", 3},
            {R"(bullpen_worker_exits_total{pool="web",reason="retired"})", 0},
            {R"(bullpen_worker_exits_total{pool="web",reason="start"})", 0},
            {R"(bullpen_worker_exits_total{pool="web",reason="exited"})", 0},
            {R"(bullpen_worker_exits_total{pool="web",reason="signal"})", 1},
            {R"(bullpen_worker_exits_total{pool="web",reason="descriptors"})", 0},
            {R"(bullpen_worker_exits_total{pool="web",reason="replaced"})", 0},
            {R"(bullpen_worker_exits_total{pool="web",reason="drain_timeout"})", 0},
            {R"(bullpen_worker_exits_total{pool="web",reason="request_timeout"})", 0},
            {R"(bullpen_worker_exits_total{pool="web",reason="stopped"})", 0},
            {R"(bullpen_saturated_seconds_total{pool="web"})", 2.5},
            {R"(bullpen_queue_wait_seconds_count{pool="web"})", 0},
            {R"(bullpen_queue_wait_seconds_sum{pool="web"})", 0},
            {R"(bullpen_service_seconds_count{pool="web"})", 0},
            {R"(bullpen_service_seconds_sum{pool="web"})", 0},
            {R"(bullpen_listen_queue_length{pool="web",listener="127.0.0.1:8080"})", 5},
            {R"(bullpen_listen_queue_limit{pool="web",listener="127.0.0.1:8080"})", 4096},
            {R"(bullpen_slot_connections_total{pool="web",slot="0"})", 7},
            {R"(bullpen_slot_connections_total{pool="web",slot="1"})", 2},
            {R"(bullpen_slot_busy_seconds_total{pool="web",slot="0"})", 3},
            {R"(bullpen_slot_busy_seconds_total{pool="web",slot="1"})", 0.25},
            {R"(bullpen_log_lines_dropped_total)", 9},
            {R"(bullpen_metric_series_refused_total{pool="web"})", 0},
            {R"(bullpen_config_last_reload_successful)", 1},
            {R"(bullpen_config_last_reload_timestamp_seconds)", 1'700'000'000},
            {R"(bullpen_build_info{version="1.2.3"})", 1},
        };
        for (const auto& sample : expected) {
            REQUIRE_MESSAGE(samples.contains(sample.first), sample.first);
            CHECK_MESSAGE(samples.at(sample.first) == sample.second, sample.first);
        }
        for (const auto& sample : samples)
            CHECK_MESSAGE(expected.contains(sample.first), sample.first);
    }

    TEST_CASE("connections that are all accounted for leave none over") {
        Scoreboard board{3};
        fill(board);
        CHECK(total(view_of(board).board).unaccounted() == 0);
        add(board.header().accepted);
        CHECK(total(view_of(board).board).unaccounted() == 1);
    }

    TEST_CASE("every family has a help text and its own name, and counters alone end in _total") {
        Scoreboard board{1};
        std::vector<PoolView> pools;
        pools.push_back(view_of(board));
        std::set<std::string> names;
        for (const auto& family : PoolMetrics{pools, "1"}.Collect()) {
            CHECK_MESSAGE(names.insert(family.name).second, family.name);
            CHECK_MESSAGE(family.help.size() > 10, family.name);
            CHECK_MESSAGE(family.help.back() == '.', family.name);
            CHECK_MESSAGE(family.name.rfind("bullpen_", 0) == 0, family.name);
            const bool total =
                family.name.size() > 6 && family.name.substr(family.name.size() - 6) == "_total";
            CHECK_MESSAGE(total == (family.type == prometheus::MetricType::Counter), family.name);
        }
    }

    TEST_CASE("several pools share the families, and the pool's label tells them apart") {
        Scoreboard web{2};
        Scoreboard echo{5};
        std::vector<PoolView> pools;
        pools.push_back(view_of(web, "web"));
        pools.push_back(view_of(echo, "echo", {"127.0.0.1:7", "unix:/run/echo.sock"}));
        echo.header().listen_queues[1].length = 3;
        const std::string text = text_of(pools);
        const auto samples = samples_in(text);
        CHECK(samples.at(R"(bullpen_workers_max{pool="web"})") == 2);
        CHECK(samples.at(R"(bullpen_workers_max{pool="echo"})") == 5);
        CHECK(samples.at(R"(bullpen_listen_queue_length{pool="echo",listener="unix:/run/echo.sock"})") == 3);
        const std::string help = "# HELP bullpen_workers_max ";
        CHECK(text.find(help) != std::string::npos);
        CHECK(text.find(help) == text.rfind(help));
    }

    TEST_CASE(
        "a histogram has one bucket per octave, cumulative over all slots, and counts what its buckets "
        "hold") {
        Scoreboard board{2};
        occupy(board, 0, Stage::ready);
        occupy(board, 1, Stage::ready);
        board.row(0).service.record(500);               // Below 1 µs.
        board.row(0).service.record(1'100);             // The four steps of one octave …
        board.row(0).service.record(1'300);             //
        board.row(1).service.record(1'600);             //
        board.row(1).service.record(1'999);             // … all come below 2 µs.
        board.row(1).service.record(2'000);             // The next.
        board.row(1).service.record(5000 * second_ns);  // Beyond all.
        const auto samples = samples_in(text_of(board));
        const auto below = [&samples](const std::string& le) {
            return samples.at(R"(bullpen_service_seconds_bucket{pool="web",le=")" + le + R"("})");
        };
        CHECK(below("1e-06") == 1);
        CHECK(below("2e-06") == 5);
        CHECK(below("4e-06") == 6);
        CHECK(below("1073.741824") == 6);
        CHECK(below("+Inf") == 7);
        CHECK(samples.at(R"(bullpen_service_seconds_count{pool="web"})") == 7);
        CHECK(samples.at(R"(bullpen_service_seconds_sum{pool="web"})") == doctest::Approx(5000.0000085));
        const auto buckets = std::count_if(samples.begin(), samples.end(), [](const auto& sample) {
            return sample.first.rfind("bullpen_service_seconds_bucket", 0) == 0;
        });
        CHECK(buckets == histogram_octaves + 2);
    }

    TEST_CASE(
        "a sum that a worker has not stored yet, or never could have, is believed only as far as its counts "
        "go") {
        Scoreboard board{1};
        occupy(board, 0, Stage::ready);
        const auto sum = [&board] {
            return samples_in(text_of(board)).at(R"(bullpen_queue_wait_seconds_sum{pool="web"})");
        };
        board.row(0).queue_wait.sum_ns = 7 * second_ns;
        CHECK(sum() == 0);
        board.row(0).queue_wait.counts[bucket_of(1'000'000)] = 1;
        CHECK(sum() == doctest::Approx(0.001).epsilon(0.25));
        board.row(0).queue_wait.sum_ns = 0;
        CHECK(sum() == doctest::Approx(0.001).epsilon(0.25));
    }

    TEST_CASE("a label is UTF-8, whatever bytes a listener's path has") {
        const Scoreboard board{1};
        std::vector<PoolView> pools;
        pools.push_back(view_of(board, "web", {"unix:/tmp/\xff"}));
        CHECK(text_of(pools).find("listener=\"unix:/tmp/\xef\xbf\xbd\"") != std::string::npos);
    }

    TEST_CASE("slots that were never used have no samples of their own") {
        Scoreboard board{4};
        occupy(board, 2, Stage::vacant);
        const auto samples = samples_in(text_of(board));
        CHECK(samples.contains(R"(bullpen_slot_connections_total{pool="web",slot="2"})"));
        CHECK(!samples.contains(R"(bullpen_slot_connections_total{pool="web",slot="0"})"));
        CHECK(!samples.contains(R"(bullpen_slot_connections_total{pool="web",slot="3"})"));
    }

    TEST_CASE("whatever stands in the rows, the text is valid and what is in flight stays within the pool") {
        constexpr std::uint32_t slots = 8;
        Scoreboard board{slots};
        board.header().hands_off = 1;
        std::mt19937_64 random{1};
        for (int round = 0; round < 50; ++round) {
            for (std::uint32_t slot = 0; slot < slots; ++slot) {
                occupy(board, slot, Stage::ready);
                auto* const bytes = reinterpret_cast<unsigned char*>(&board.row(slot));
                for (std::size_t at = 0; at < sizeof(ScoreboardRow); at += sizeof(std::uint64_t)) {
                    const std::uint64_t garbage =
                        round == 0 ? ~std::uint64_t{0} : random() >> (random() % 64);
                    std::memcpy(bytes + at, &garbage, sizeof garbage);
                }
            }
            const auto samples = samples_in(text_of(board));
            for (const auto& sample : samples) {
                CHECK_MESSAGE(std::isfinite(sample.second), sample.first);
                CHECK_MESSAGE(sample.second >= 0, sample.first);
            }
            CHECK(samples.at(R"(bullpen_connections_in_flight{pool="web",where="queued"})") <= slots);
            CHECK(samples.at(R"(bullpen_connections_in_flight{pool="web",where="begun"})") <= slots);
            CHECK(samples.at(R"(bullpen_workers{pool="web",state="idle"})") +
                      samples.at(R"(bullpen_workers{pool="web",state="busy"})") ==
                  slots);

            std::vector<PoolView> pools;
            pools.push_back(view_of(board));
            for (const auto& family : PoolMetrics{pools, "1"}.Collect()) {
                if (family.type != prometheus::MetricType::Histogram) continue;
                std::uint64_t before = 0;
                for (const auto& bucket : family.metric.at(0).histogram.bucket) {
                    CHECK(bucket.cumulative_count >= before);
                    before = bucket.cumulative_count;
                }
                CHECK(family.metric.at(0).histogram.sample_count >= before);
            }
        }
    }
}
