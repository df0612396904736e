#include "pool/order_book.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <optional>
#include <tuple>
#include <vector>

using namespace bullpen;

namespace {

bool terminal_is_there = false;
bool ask_for_terminal() noexcept {
    return terminal_is_there;
}

/// Carries orders out, of which stops and reloads only begin; keeps them.
std::vector<Order> begun_by(const std::vector<int>& signals, OrderBook& book) {
    std::vector<Order> begun;
    const auto carry_out = [&](Order order) -> std::optional<Outcome> {
        begun.push_back(order);
        if (order == Order::stop || order == Order::stop_at_once || order == Order::reload) return {};
        return Outcome{{0, "done"}};
    };
    for (const int signal : signals)
        (void)book.heed_signal(signal, carry_out);
    return begun;
}

}  // namespace

TEST_SUITE("pool: the order book") {
    TEST_CASE("of two signals each meets the phase that the one before has begun") {
        for (const auto& [signals, expected] : std::vector<std::pair<std::vector<int>, std::vector<Order>>>{
                 {{SIGINT, SIGINT}, {Order::stop, Order::stop_at_once}},
                 {{SIGTERM, SIGINT}, {Order::stop, Order::stop_at_once}},
                 {{SIGINT, SIGTERM}, {Order::stop}},
                 {{SIGTERM, SIGTERM}, {Order::stop}},
                 {{SIGTERM, SIGQUIT}, {Order::stop}},
                 {{SIGTTIN, SIGTTOU}, {Order::more_workers, Order::fewer_workers}},
                 {{SIGTERM, SIGTTIN}, {Order::stop}},
                 {{SIGTTIN, SIGTERM}, {Order::more_workers, Order::stop}},
                 {{SIGTERM, SIGUSR1}, {Order::stop, Order::reopen_log}},
                 {{SIGHUP, SIGQUIT}, {Order::reload, Order::stop}},
                 {{SIGTERM, SIGHUP}, {Order::stop}},
             }) {
            OrderBook book{ask_for_terminal};
            book.set_phase(Phase::serving);
            CHECK(begun_by(signals, book) == expected);
        }
    }

    TEST_CASE("a stop that has begun is the phase from then on, and an order that has ended begins none") {
        OrderBook book{ask_for_terminal};
        (void)begun_by({SIGTTIN, SIGUSR1}, book);
        CHECK(book.phase() == Phase::starting);
        CHECK(begun_by({SIGTERM}, book) == std::vector{Order::stop});
        CHECK(book.phase() == Phase::stopping);
    }

    TEST_CASE("SIGHUP is a stop once the terminal is gone that the server had at its start, else a reload") {
        for (const auto& [at_start, now, expected] : {std::tuple{true, false, Order::stop},
                                                      {true, true, Order::reload},
                                                      {false, false, Order::reload}}) {
            terminal_is_there = at_start;
            OrderBook book{ask_for_terminal};
            terminal_is_there = now;
            CHECK(begun_by({SIGHUP}, book) == std::vector{expected});
        }
        terminal_is_there = false;
    }

    TEST_CASE("in a reload what would change the pools waits for its end, and is to come again") {
        OrderBook book{ask_for_terminal};
        const auto none = [](Order) -> std::optional<Outcome> { return Outcome{{0, "done"}}; };
        for (const int signal : {SIGHUP, SIGTTIN, SIGTTOU}) {
            book.set_phase(Phase::reloading);
            CHECK_FALSE(book.heed_signal(signal, none));
            book.set_phase(Phase::serving);
            CHECK(book.heed_signal(signal, none));
        }
        book.set_phase(Phase::reloading);
        CHECK(book.heed_signal(SIGUSR1, none));
        CHECK(book.heed_signal(SIGTERM, none));
    }

    TEST_CASE("a master that takes over in a stop has its phase: what comes then joins it") {
        OrderBook book{ask_for_terminal};
        book.set_phase(Phase::stopping);
        CHECK(begun_by({SIGTERM, SIGTTOU}, book).empty());
        CHECK(begun_by({SIGINT}, book) == std::vector{Order::stop_at_once});
    }
}
