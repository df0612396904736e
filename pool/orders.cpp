#include "pool/orders.hpp"

namespace bullpen {
namespace {

constexpr Response act{Effect::act};
constexpr Response postpone{Effect::postpone};
constexpr Response stops{Effect::join, "the server is stopping already"};
constexpr Response too_late{Effect::refuse, "the server is stopping"};
constexpr Response too_early{Effect::refuse, "the server is starting; it has no ready worker yet"};
constexpr Response one_at_a_time{Effect::refuse, "an upgrade is under way already"};

struct Row {
    Order order;
    std::array<Response, phases_count> in;  ///< starting, serving, reloading, upgrading, stopping
};

constexpr std::array<Row, orders_count> table = {{
    {Order::status, {act, act, act, act, act}},
    {Order::connections, {act, act, act, act, act}},
    {Order::reload, {act, act, postpone, postpone, too_late}},
    {Order::upgrade, {too_early, act, postpone, one_at_a_time, too_late}},
    {Order::stop, {act, act, act, act, stops}},
    {Order::stop_at_once, {act, act, act, act, act}},
    {Order::reopen_log, {act, act, act, act, act}},
    {Order::more_workers, {act, act, postpone, postpone, too_late}},
    {Order::fewer_workers, {act, act, postpone, postpone, too_late}},
}};

}  // namespace

std::string_view name_of(Phase phase) noexcept {
    static constexpr std::string_view names[phases_count] = {"starting", "serving", "reloading", "upgrading",
                                                             "stopping"};
    return names[static_cast<std::size_t>(phase)];
}

Response respond(Phase phase, Order order) noexcept {
    return table[static_cast<std::size_t>(order)].in[static_cast<std::size_t>(phase)];
}

std::optional<Order> order_of_signal(int signal, Phase phase, bool terminal_is_gone) noexcept {
    switch (signal) {
        case SIGTERM:
        case SIGQUIT: return Order::stop;
        case SIGINT: return phase == Phase::stopping ? Order::stop_at_once : Order::stop;
        case SIGHUP: return terminal_is_gone ? Order::stop : Order::reload;
        case SIGUSR1: return Order::reopen_log;
        case SIGUSR2: return Order::upgrade;
        case SIGTTIN: return Order::more_workers;
        case SIGTTOU: return Order::fewer_workers;
        default: return {};
    }
}

}  // namespace bullpen
