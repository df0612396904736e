#include "core/http/http_metrics.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "core/metrics.hpp"

namespace bullpen::http {
namespace {

using metrics::Metric;
using metrics::Series;

/// Those of RFC 9110 and PATCH; any other word is "other", so that no client can make series.
constexpr std::array<std::string_view, 10> methods{"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                   "CONNECT", "OPTIONS", "TRACE", "PATCH", "other"};
constexpr std::size_t classes = 5;  ///< Of statuses: 1xx to 5xx.

struct Metrics {
    Metric requests = define("bullpen_http_requests_total",
                             "HTTP requests answered, by method and by the class of the answer's status.",
                             {"method", "code"});
    Metric received =
        define("bullpen_http_received_bytes_total", "Bytes of HTTP requests, heads and bodies.", {});
    Metric sent = define("bullpen_http_sent_bytes_total", "Bytes of HTTP answers, heads and bodies.", {});

    static Metric define(std::string_view name, std::string_view help,
                         std::initializer_list<std::string_view> labels) {
        return metrics::define_built_in(name, help, {labels.begin(), labels.size()});
    }
};

const Metrics& all() {
    static const Metrics made;
    return made;
}

bool counts() noexcept {
    return metrics::own_series.store != nullptr;
}

std::size_t method_of(std::string_view head) noexcept {
    const std::string_view word = head.substr(0, head.find(' '));
    const auto found = std::find(methods.begin(), methods.end() - 1, word);
    return static_cast<std::size_t>(found - methods.begin());
}

std::size_t class_of(std::string_view answer) noexcept {
    constexpr std::size_t status_at = std::string_view{"HTTP/1.1 "}.size();
    const auto first = static_cast<std::size_t>(answer.size() > status_at ? answer[status_at] - '1' : 4);
    return std::min(first, classes - 1);
}

}  // namespace

void define_metrics() {
    all();
}

void count_request(std::string_view head, std::string_view answer) noexcept {
    if (!counts()) return;
    thread_local std::array<std::array<const Series*, classes>, methods.size()> known{};
    const std::size_t method = method_of(head);
    const std::size_t code = class_of(answer);
    const Series*& series = known[method][code];
    if (series == nullptr || series->store != metrics::own_series.store) {
        const std::array<std::string_view, 2> labels{methods[method],
                                                     std::string_view{"1xx2xx3xx4xx5xx"}.substr(3 * code, 3)};
        series = &find_series(all().requests, labels);
    }
    CounterSeries{all().requests, *series}.add();
}

void count_received(std::size_t bytes) noexcept {
    if (counts()) CounterSeries{all().received, unlabelled_series(all().received)}.add(bytes);
}

void count_sent(std::size_t bytes) noexcept {
    if (counts()) CounterSeries{all().sent, unlabelled_series(all().sent)}.add(bytes);
}

}  // namespace bullpen::http
