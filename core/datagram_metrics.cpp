#include "core/datagram_metrics.hpp"

#include <array>
#include <string_view>

#include "core/metrics.hpp"

namespace bullpen {
namespace {

using metrics::Metric;
using metrics::Series;

/// By DatagramFate; of a handler that has thrown, the last.
constexpr std::array<std::string_view, 4> outcomes{"answered", "discarded", "refused", "failed"};
constexpr std::size_t failed = outcomes.size() - 1;

/// By DatagramRefusal.
constexpr std::array<std::string_view, 4> reasons{"handler", "denied", "rate", "banned"};

struct DatagramMetrics {
    Metric ended = define("bullpen_datagrams_total", "Datagrams by what became of them.", {"outcome"});
    Metric refused = define("bullpen_datagrams_refused_total",
                            "Datagrams that got no answer on purpose, by why.", {"reason"});
    Metric truncated =
        define("bullpen_datagrams_truncated_total", "Datagrams that were longer than 65,535 bytes.", {});
    Metric sent = define("bullpen_datagrams_sent_total", "Answers that the kernel took.", {});
    Metric unsent =
        define("bullpen_datagrams_unsent_total", "Answers that the kernel refused, which are lost.", {});
    Metric peers = define("bullpen_datagram_peers_connected",
                          "Busy peers that have a socket of their own now (--connected).", {},
                          metrics::MetricKind::gauge);

    static Metric define(std::string_view name, std::string_view help,
                         std::initializer_list<std::string_view> labels,
                         metrics::MetricKind kind = metrics::MetricKind::counter) {
        return metrics::define_built_in(name, help, {labels.begin(), labels.size()}, kind);
    }
};

const DatagramMetrics& all() {
    static const DatagramMetrics made;
    return made;
}

bool counts() noexcept {
    return metrics::own_series.store != nullptr;
}

/// `known`: the series that the calling thread has found before.
void count(const Metric& metric, std::string_view label, const Series*& known) noexcept {
    if (known == nullptr || known->store != metrics::own_series.store)
        known = &find_series(metric, std::array{label});
    CounterSeries{metric, *known}.add();
}

void count_outcome(std::size_t outcome) noexcept {
    thread_local std::array<const Series*, outcomes.size()> known{};
    if (counts()) count(all().ended, outcomes[outcome], known[outcome]);
}

void count(const Metric& metric, std::size_t amount) noexcept {
    if (counts()) CounterSeries{metric, unlabelled_series(metric)}.add(amount);
}

}  // namespace

void define_datagram_metrics() {
    all();
}

void count_datagram(DatagramFate fate) noexcept {
    if (fate == DatagramFate::refused) return count_refused_datagram(DatagramRefusal::handler);
    count_outcome(static_cast<std::size_t>(fate));
}

void count_refused_datagram(DatagramRefusal reason) noexcept {
    thread_local std::array<const Series*, reasons.size()> known{};
    const auto index = static_cast<std::size_t>(reason);
    if (counts()) count(all().refused, reasons[index], known[index]);
    count_outcome(static_cast<std::size_t>(DatagramFate::refused));
}

void count_failed_datagram() noexcept {
    count_outcome(failed);
}

void count_truncated_datagram() noexcept {
    if (counts()) count(all().truncated, 1);
}

void count_sent_datagrams(std::size_t amount) noexcept {
    if (counts()) count(all().sent, amount);
}

void count_unsent_datagram() noexcept {
    if (counts()) count(all().unsent, 1);
}

void note_connected_peers(std::size_t now) noexcept {
    if (counts()) GaugeSeries{all().peers, unlabelled_series(all().peers)}.set(static_cast<double>(now));
}

}  // namespace bullpen
