#include "servers/bench/report/plot_scale.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace bullpen {
namespace {

constexpr double round_steps[] = {1, 2, 5};

}  // namespace

double LinearScale::at(double value) const noexcept {
    return std::clamp(value / top, 0.0, 1.0);
}

LinearScale linear_scale(double greatest) {
    constexpr double most_steps = 5;
    if (!(greatest > 0) || !std::isfinite(greatest)) return {.top = 1, .ticks = {0, 1}};
    const double rough = greatest / most_steps;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * power;
    for (const double round : {5.0, 2.5, 2.0, 1.0})
        if (round * power >= rough) step = round * power;
    LinearScale scale{.top = std::ceil(greatest / step - 1e-9) * step};
    const int steps = static_cast<int>(std::lround(scale.top / step));
    for (int i = 0; i <= steps; ++i)
        scale.ticks.push_back(i * step);
    return scale;
}

double LogScale::at(double value) const noexcept {
    if (value <= bottom) return 0;
    return std::min(1.0, std::log(value / bottom) / std::log(top / bottom));
}

LogScale log_scale(double least, double greatest) {
    constexpr double smallest = 1e-3;
    constexpr double largest = 1e15;
    least = std::clamp(least, smallest, largest);
    greatest = std::clamp(greatest, least, largest);
    std::vector<double> round;
    const double last = std::ceil(std::log10(greatest)) + 1;
    for (double power = std::floor(std::log10(least)); power <= last; ++power)
        for (const double step : round_steps)
            round.push_back(step * std::pow(10, power));
    constexpr double about_equal = 1e-9;
    auto first = std::find_if(round.begin(), round.end(),
                              [&](double tick) { return tick > least * (1 + about_equal); });
    if (first != round.begin()) --first;
    auto end = std::find_if(round.begin(), round.end(),
                            [&](double tick) { return tick >= greatest * (1 - about_equal); });
    if (end <= first) end = first + 1;
    LogScale scale{.bottom = *first, .top = *end, .ticks = {first, end + 1}};
    constexpr std::size_t readable = 9;
    if (scale.ticks.size() > readable)
        std::erase_if(scale.ticks, [](double tick) {
            const double power = std::log10(tick);
            return std::abs(power - std::round(power)) > about_equal;
        });
    return scale;
}

double tail_scale(double quantile) noexcept {
    constexpr double nearest = 1e-9;
    return -std::log10(std::max(nearest, 1 - quantile));
}

std::vector<double> spread_labels(const std::vector<double>& wanted, double height, double top,
                                  double bottom) {
    std::vector<std::size_t> order(wanted.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
    // Groups of labels that touch, each around the mean of what its members want.
    struct Group {
        double middle;
        double size;
    };
    std::vector<Group> groups;
    for (const std::size_t i : order) {
        groups.push_back({wanted[i], 1});
        while (true) {
            Group& last = groups.back();
            const double half = last.size * height / 2;
            last.middle = std::max(top + half, std::min(bottom - half, last.middle));
            if (groups.size() < 2) break;
            Group& before = groups[groups.size() - 2];
            if (before.middle + before.size * height / 2 <= last.middle - half) break;
            before.middle =
                (before.middle * before.size + last.middle * last.size) / (before.size + last.size);
            before.size += last.size;
            groups.pop_back();
        }
    }
    std::vector<double> placed(wanted.size());
    std::size_t next = 0;
    for (const Group& group : groups)
        for (double i = 0; i < group.size; ++i)
            placed[order[next++]] = group.middle + (i - (group.size - 1) / 2) * height;
    return placed;
}

}  // namespace bullpen
