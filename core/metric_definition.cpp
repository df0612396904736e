#include "core/metric_definition.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/printable.hpp"
#include "core/utf8.hpp"

namespace bullpen::metrics {
namespace {

constexpr std::size_t name_max = 100;
constexpr std::size_t help_max = 500;

/// As Prometheus' data model has it; `more` are further characters.
bool is_name(std::string_view text, std::string_view more) {
    const auto is_letter = [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || more.find(c) != more.npos;
    };
    return !text.empty() && text.size() <= name_max && is_letter(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::string what_is_wrong(const MetricDefinition& metric) {
    if (!is_name(metric.name, ":"))
        return "a metric's name has letters, digits, _ and :, begins with no digit, and has at most 100 "
               "characters";
    if (metric.kind == MetricKind::counter && !metric.name.ends_with("_total"))
        return "a counter's name ends in _total";
    if (metric.help.empty() || metric.help.size() > help_max || !is_utf8(metric.help))
        return "a metric has a help text of at most 500 bytes of UTF-8";
    if (metric.labels.size() > metric_labels_max) return "a metric has at most 8 labels";
    for (auto label = metric.labels.begin(); label != metric.labels.end(); ++label) {
        if (!is_name(*label, "") || label->starts_with("__"))
            return "the label '" + printable(*label) +
                   "' is no name: letters, digits and _, without a digit or __ at its beginning";
        if (*label == "pool" || *label == "le") return "the label " + *label + " is set by the exporter";
        if (std::find(metric.labels.begin(), label, *label) != label)
            return "the label " + *label + " comes twice";
    }
    if (metric.kind != MetricKind::histogram) return {};
    const std::vector<double>& bounds = metric.bounds;
    if (bounds.empty() || bounds.size() > metric_bounds_max) return "a histogram has 1 to 40 buckets";
    if (!std::all_of(bounds.begin(), bounds.end(), [](double bound) { return std::isfinite(bound); }) ||
        std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>{}) != bounds.end())
        return "the bounds of a histogram's buckets are finite, and each is above the one before";
    return {};
}

}  // namespace

std::string complaint_about(const MetricDefinition& metric) {
    std::string wrong = what_is_wrong(metric);
    if (wrong.empty() && metric.name.starts_with("bullpen_"))
        wrong = "names that begin with bullpen_ are taken";
    if (wrong.empty()) return {};
    return "metric '" + printable(metric.name) + "': " + wrong;
}

bool is_sound(const MetricDefinition& metric) {
    return what_is_wrong(metric).empty();
}

}  // namespace bullpen::metrics
