#include "metrics/pool_metrics.hpp"

#include <prometheus/client_metric.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "core/resolve.hpp"
#include "core/utf8.hpp"
#include "metrics/tcp_sockets.hpp"

namespace bullpen {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;

template <typename Number>
Number read(const std::atomic<Number>& shared) noexcept {
    return shared.load(std::memory_order_relaxed);
}

constexpr double seconds(std::uint64_t ns) noexcept {
    return static_cast<double>(ns) / 1e9;
}

bool was_ever_used(const SlotNumbers& slot) noexcept {
    return slot.generation != 0;
}

/// The sum of all rows' histograms, with one bucket per octave. A row's sum_ns is clamped to the range that
/// its counts allow (each value counted as its bucket's lower and upper end), because the worker may have
/// stored the one and not yet the other, or may be broken.
ClientMetric::Histogram sum_of_rows(const Snapshot& snapshot, HistogramNumbers RowNumbers::*which) {
    std::array<std::uint64_t, histogram_buckets> counts{};
    ClientMetric::Histogram sum;
    for (const SlotNumbers& slot : snapshot.slots) {
        if (!was_ever_used(slot)) continue;
        const HistogramNumbers& row = slot.row.*which;
        double shortest = 0;
        double longest = 0;
        for (std::size_t bucket = 0; bucket < histogram_buckets; ++bucket) {
            const std::uint64_t count = row.counts[bucket];
            counts[bucket] += count;
            if (bucket > 0) shortest += static_cast<double>(count) * seconds(bucket_end_ns(bucket - 1));
            longest += static_cast<double>(count) * seconds(bucket_end_ns(bucket));
        }
        sum.sample_sum += std::clamp(seconds(row.sum_ns), shortest, longest);
    }
    constexpr std::size_t steps_per_octave = 4;
    for (std::size_t bucket = 0; bucket < histogram_buckets; ++bucket) {
        sum.sample_count += counts[bucket];
        if (bucket % steps_per_octave == 0)
            sum.bucket.push_back({sum.sample_count, seconds(bucket_end_ns(bucket))});
    }
    return sum;  // The serializer adds +Inf with sample_count.
}

/// One pool's metrics at one moment.
struct Reading {
    const PoolView& pool;
    const ScoreboardHeader& header;
    const Snapshot& snapshot;
    const PoolTotals& totals;
};

/// A family to which each pool adds its samples.
class Samples {
public:
    explicit Samples(MetricFamily& family) : family_{family} {}

    void of_pool(const std::string& name) { pool_ = {{"pool", name}}; }

    void add(double value, std::vector<Label> labels = {}) {
        ClientMetric& metric = append(std::move(labels));
        (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    }
    void add(std::unsigned_integral auto value, std::vector<Label> labels = {}) {
        add(static_cast<double>(value), std::move(labels));
    }
    void add(ClientMetric::Histogram histogram) { append({}).histogram = std::move(histogram); }

private:
    ClientMetric& append(std::vector<Label> labels) {
        ClientMetric& metric = family_.metric.emplace_back();
        metric.label = pool_;
        metric.label.insert(metric.label.end(), labels.begin(), labels.end());
        for (Label& label : metric.label)
            label.value = to_utf8(label.value);  // A UNIX listener's path may have any bytes.
        return metric;
    }

    MetricFamily& family_;
    std::vector<Label> pool_;
};

using FromPool = std::function<void(const Reading&, Samples&)>;

/// Collects the families, each with its samples of all pools.
class Families {
public:
    Families(const std::vector<PoolView>& pools, const std::vector<Snapshot>& snapshots) {
        for (std::size_t i = 0; i < pools.size(); ++i)
            readings_.push_back({pools[i], pools[i].board.header(), snapshots[i], snapshots[i].totals});
    }

    void counter(const char* name, const char* help, const FromPool& samples_of) {
        append(MetricType::Counter, name, help, samples_of);
    }
    void gauge(const char* name, const char* help, const FromPool& samples_of) {
        append(MetricType::Gauge, name, help, samples_of);
    }
    void histogram(const char* name, const char* help, HistogramNumbers RowNumbers::*which) {
        append(MetricType::Histogram, name, help, [which](const Reading& now, Samples& samples) {
            samples.add(sum_of_rows(now.snapshot, which));
        });
    }

    /// A family of the server as a whole, without the label `pool`.
    void of_server(MetricType type, const char* name, const char* help, double value,
                   std::vector<Label> labels) {
        Samples{start(type, name, help)}.add(value, std::move(labels));
    }

    [[nodiscard]] const std::vector<Reading>& readings() const noexcept { return readings_; }
    [[nodiscard]] std::vector<MetricFamily> take() noexcept { return std::move(families_); }

private:
    MetricFamily& start(MetricType type, const char* name, const char* help) {
        return families_.emplace_back(MetricFamily{name, help, type, {}});
    }
    void append(MetricType type, const char* name, const char* help, const FromPool& samples_of) {
        Samples samples{start(type, name, help)};
        for (const Reading& reading : readings_) {
            samples.of_pool(reading.pool.name);
            samples_of(reading, samples);
        }
    }

    std::vector<Reading> readings_;
    std::vector<MetricFamily> families_;
};

/// The first `reasons` of them.
template <typename Counters>
void add_by_reason(const Counters& counters, std::size_t reasons, Samples& samples) {
    for (std::size_t reason = 0; reason < reasons; ++reason)
        samples.add(std::uint64_t{counters[reason]}, {{"reason", name_of(static_cast<ExitReason>(reason))}});
}

void add_workers(Families& families) {
    families.gauge(
        "bullpen_workers",
        "Workers by what they do now: starting, idle (waiting for a connection), busy (serving one) or "
        "draining (told to leave).",
        [](const Reading& now, Samples& samples) {
            samples.add(now.totals.starting, {{"state", "starting"}});
            samples.add(now.totals.idle, {{"state", "idle"}});
            samples.add(now.totals.busy, {{"state", "busy"}});
            samples.add(now.totals.draining, {{"state", "draining"}});
        });
    families.gauge("bullpen_workers_max", "The limit: the pool never has more workers than this.",
                   [](const Reading& now, Samples& samples) { samples.add(read(now.header.workers_max)); });
    families.gauge("bullpen_spare_min",
                   "The limit: with fewer idle workers than this the pool grows. 0 in a pool of fixed size.",
                   [](const Reading& now, Samples& samples) { samples.add(read(now.header.spare_min)); });
    families.gauge("bullpen_spare_max",
                   "The limit: with more idle workers than this for a while the pool shrinks.",
                   [](const Reading& now, Samples& samples) { samples.add(read(now.header.spare_max)); });
    families.counter("bullpen_worker_spawns_total", "Workers started.",
                     [](const Reading& now, Samples& samples) { samples.add(read(now.header.spawns)); });
    families.counter(
        "bullpen_worker_exits_total",
        "Workers that ended, by why: retired (in order), start (before it was ready), exited (by "
        "itself), signal (a crash or a kill), descriptors (it had none left), replaced (it was broken), "
        "drain_timeout (still busy when the stop's time was up), request_timeout (too long with one "
        "request) or stopped (by SIGSTOP, for too long).",
        [](const Reading& now, Samples& samples) {
            add_by_reason(now.header.exits, worker_exit_reasons, samples);
        });
    families.counter(
        "bullpen_saturated_seconds_total",
        "Time during which no worker was spare and the pool had no room to grow: new clients had to wait.",
        [](const Reading& now, Samples& samples) { samples.add(seconds(read(now.header.saturated_ns))); });
}

void add_connections(Families& families) {
    families.counter(
        "bullpen_connections_accepted_total",
        "Connections accepted. Each one ends as exactly one of completed, client_aborted, timed_out, "
        "refused or lost.",
        [](const Reading& now, Samples& samples) { samples.add(now.totals.accepted); });
    families.counter(
        "bullpen_connections_completed_total",
        "Connections whose handler came to its end: outcome ok (it returned) or error (it threw).",
        [](const Reading& now, Samples& samples) {
            samples.add(now.totals.completed, {{"outcome", "ok"}});
            samples.add(now.totals.failed, {{"outcome", "error"}});
        });
    families.counter("bullpen_connections_lost_total",
                     "Connections that ended with their worker, by why that worker ended (see "
                     "bullpen_worker_exits_total), or in the hands of a master that died (master).",
                     [](const Reading& now, Samples& samples) {
                         add_by_reason(now.totals.lost_by, exit_reasons, samples);
                     });
    families.counter(
        "bullpen_connections_refused_total",
        "Connections closed on purpose: overload (no worker in time), startups (early drop), source, rate or "
        "banned (limits of one address), denied (by the lists), connections (the server's limit) or "
        "stopping (silent at a stop).",
        [](const Reading& now, Samples& samples) {
            for (std::size_t reason = 0; reason < refusals; ++reason)
                samples.add(now.totals.refused_by[reason],
                            {{"reason", name_of(static_cast<Refusal>(reason))}});
        });
    families.counter("bullpen_connections_client_aborted_total", "Connections that the client broke off.",
                     [](const Reading& now, Samples& samples) { samples.add(now.totals.client_aborted); });
    families.counter(
        "bullpen_connections_timed_out_total",
        "Connections closed because the client took too long: limit idle (between two requests, or before "
        "the "
        "first), header (for a request's head), body, read (silent in the middle) or write (to take the "
        "answer).",
        [](const Reading& now, Samples& samples) {
            for (std::size_t limit = 1; limit < limits_count; ++limit)
                samples.add(now.totals.timed_out[limit], {{"limit", name_of(static_cast<Limit>(limit))}});
        });
    families.gauge(
        "bullpen_connections_in_flight",
        "Connections accepted and not ended: queued (on the way to a worker), begun (in a handler) or "
        "parked (waiting for the client without a worker).",
        [](const Reading& now, Samples& samples) {
            samples.add(now.totals.queued, {{"where", "queued"}});
            samples.add(now.totals.begun, {{"where", "begun"}});
            samples.add(now.totals.parked, {{"where", "parked"}});
        });
    families.counter(
        "bullpen_connections_parked_total",
        "Connections that were parked to wait for their client without a worker, each time counted.",
        [](const Reading& now, Samples& samples) { samples.add(read(now.header.parkings)); });
    families.counter("bullpen_handoffs_total", "Connections given to a worker, each time counted.",
                     [](const Reading& now, Samples& samples) { samples.add(read(now.header.handoffs)); });
    families.counter(
        "bullpen_handoffs_recovered_total",
        "Connections taken back from a worker that died before it began with them, crashed with a request "
        "that may be tried again, or was between two requests; or out of the channel of a worker that is "
        "busy, stuck or told to stop.",
        [](const Reading& now, Samples& samples) { samples.add(read(now.header.recovered)); });
}

void add_durations(Families& families) {
    families.histogram("bullpen_queue_wait_seconds",
                       "From the accept of a connection, or from when a parked client spoke, until its "
                       "handler began: the wait "
                       "for a free worker. Time in the kernel's queue before the accept is not in it.",
                       &RowNumbers::queue_wait);
    families.histogram("bullpen_service_seconds", "From a handler's begin to its end.", &RowNumbers::service);
}

void add_listen_queues(Families& families) {
    const auto each = [](std::atomic<std::uint32_t> ListenQueueWords::*word) {
        return [word](const Reading& now, Samples& samples) {
            const std::size_t known = std::min(now.pool.listeners.size(), now.header.listen_queues.size());
            for (std::size_t i = 0; i < known; ++i)
                if (!now.pool.listeners[i].empty())
                    samples.add(read(now.header.listen_queues[i].*word),
                                {{"listener", now.pool.listeners[i]}});
        };
    };
    families.gauge("bullpen_listen_queue_length",
                   "Clients or datagrams that wait in the kernel's queue; looked at once a second.",
                   each(&ListenQueueWords::length));
    families.gauge("bullpen_listen_queue_limit",
                   "Those that the kernel's queue has room for; beyond that new ones are turned away.",
                   each(&ListenQueueWords::limit));
    families.counter(
        "bullpen_datagrams_dropped_total",
        "Datagrams that the kernel threw away because a socket's queue was full; looked at once a "
        "second.",
        [](const Reading& now, Samples& samples) {
            const std::size_t known = std::min(now.pool.listeners.size(), now.header.listen_queues.size());
            for (std::size_t i = 0; i < known; ++i)
                if (is_for_datagrams(now.pool.listeners[i]))
                    samples.add(read(now.header.listen_queues[i].dropped),
                                {{"listener", now.pool.listeners[i]}});
        });
}

void add_slots(Families& families) {
    const auto each = [](auto&& value_of) {
        return [value_of](const Reading& now, Samples& samples) {
            for (std::size_t slot = 0; slot < now.snapshot.slots.size(); ++slot)
                if (was_ever_used(now.snapshot.slots[slot]))
                    samples.add(value_of(now.snapshot.slots[slot].row), {{"slot", std::to_string(slot)}});
        };
    };
    families.counter("bullpen_slot_connections_total",
                     "Connections served to their end by the workers of one slot, one after another.",
                     each([](const RowNumbers& row) { return row.ended(); }));
    families.counter(
        "bullpen_slot_busy_seconds_total",
        "Time that the workers of one slot spent in handlers; a connection counts when it has ended.",
        each([](const RowNumbers& row) { return seconds(row.busy_ns); }));
}

void add_server(Families& families, const std::string& version) {
    std::uint64_t dropped = 0;  // The master has one count and publishes it in every pool's header.
    for (const Reading& reading : families.readings())
        dropped = std::max(dropped, read(reading.header.log_lines_dropped));
    families.of_server(MetricType::Counter, "bullpen_log_lines_dropped_total",
                       "Lines the master could not write to its log without waiting, and dropped.",
                       static_cast<double>(dropped), {});
    std::uint64_t reloaded_at_s = 0;
    std::uint32_t successful = 1;
    for (const Reading& reading : families.readings()) {
        reloaded_at_s = std::max(reloaded_at_s, read(reading.header.reloaded_at_s));
        successful = std::min(successful, read(reading.header.reload_successful));
    }
    families.of_server(MetricType::Gauge, "bullpen_config_last_reload_successful",
                       "1 if the last reload of the configuration was successful, or there was none; else 0.",
                       static_cast<double>(successful), {});
    families.of_server(
        MetricType::Gauge, "bullpen_config_last_reload_timestamp_seconds",
        "When a configuration was last put into effect, at the start or by a reload (UNIX time).",
        static_cast<double>(reloaded_at_s), {});
    families.of_server(MetricType::Gauge, "bullpen_build_info", "Always 1; the version is in the label.", 1,
                       {{"version", version}});
}

}  // namespace

PoolMetrics::PoolMetrics(const std::vector<PoolView>& pools, std::string version)
    : pools_{pools}, version_{std::move(version)} {}

std::vector<MetricFamily> PoolMetrics::Collect() const {
    std::vector<Snapshot> now;
    for (std::size_t i = 0; i < pools_.size(); ++i)
        now.push_back(take_snapshot(pools_[i].board, last_.empty() ? nullptr : &last_[i]));
    last_ = std::move(now);
    Families families{pools_, last_};
    add_connections(families);
    add_workers(families);
    add_durations(families);
    add_listen_queues(families);
    add_slots(families);
    add_server(families, version_);
    std::vector<MetricFamily> all = families.take();
    for (MetricFamily& family : tcp_sockets(pools_))
        all.push_back(std::move(family));
    of_handlers_.add_to(all, pools_);
    return all;
}

}  // namespace bullpen
