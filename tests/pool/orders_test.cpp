#include "pool/orders.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <array>

using namespace bullpen;

namespace {

constexpr std::array all_phases = {Phase::starting, Phase::serving, Phase::reloading, Phase::upgrading,
                                   Phase::stopping};
constexpr std::array all_orders = {Order::status,     Order::connections,  Order::reload,
                                   Order::upgrade,    Order::stop,         Order::stop_at_once,
                                   Order::reopen_log, Order::more_workers, Order::fewer_workers};
static_assert(all_phases.size() == phases_count && all_orders.size() == orders_count);

/// The table as it is promised: a letter for each phase, in their order.
struct Promise {
    Order order;
    const char* effects;  ///< a: act, p: postpone, j: join, r: refuse
};
constexpr std::array promises = {
    Promise{Order::status, "aaaaa"},        Promise{Order::connections, "aaaaa"},
    Promise{Order::reload, "aappr"},        Promise{Order::upgrade, "raprr"},
    Promise{Order::stop, "aaaaj"},          Promise{Order::stop_at_once, "aaaaa"},
    Promise{Order::reopen_log, "aaaaa"},    Promise{Order::more_workers, "aappr"},
    Promise{Order::fewer_workers, "aappr"},
};

char letter_of(Effect effect) {
    return std::array{'a', 'p', 'j', 'r'}[static_cast<std::size_t>(effect)];
}

}  // namespace

TEST_SUITE("pool: orders") {
    TEST_CASE("each order does in each phase what is promised") {
        REQUIRE(promises.size() == orders_count);
        for (const Promise& promise : promises)
            for (const Phase phase : all_phases) {
                CAPTURE(name_of(phase));
                CAPTURE(static_cast<int>(promise.order));
                CHECK(letter_of(respond(phase, promise.order).effect) ==
                      promise.effects[static_cast<std::size_t>(phase)]);
            }
    }

    TEST_CASE("whoever is refused, or joins others, is told why in a sentence without full stop") {
        for (const Order order : all_orders)
            for (const Phase phase : all_phases) {
                const Response response = respond(phase, order);
                const bool silent = response.effect == Effect::act || response.effect == Effect::postpone;
                CHECK(response.why.empty() == silent);
                CHECK_FALSE(response.why.ends_with('.'));
            }
    }

    TEST_CASE("of two orders at once the second meets the phase that the first has begun") {
        for (const Phase phase : all_phases)
            for (const Order first : all_orders) {
                if (respond(phase, first).effect != Effect::act) continue;
                const Phase then = phase_after(phase, first);
                CHECK((then == Phase::stopping) ==
                      (phase == Phase::stopping || first == Order::stop || first == Order::stop_at_once));
                if (first == Order::reload) CHECK(then == Phase::reloading);
                if (first == Order::upgrade) CHECK(then == Phase::upgrading);
                for (const Order second : all_orders) {
                    const Effect effect = respond(then, second).effect;
                    const bool changes = second == Order::more_workers || second == Order::fewer_workers ||
                                         second == Order::reload;
                    if (then == Phase::stopping && changes) CHECK(effect == Effect::refuse);
                    if ((then == Phase::reloading || then == Phase::upgrading) && changes)
                        CHECK(effect == Effect::postpone);
                    if (then == Phase::upgrading && second == Order::upgrade) CHECK(effect == Effect::refuse);
                    if (then == Phase::stopping && second == Order::stop) CHECK(effect == Effect::join);
                    if (second == Order::stop_at_once) CHECK(effect == Effect::act);
                }
            }
    }

    TEST_CASE("no way leads back from stopping") {
        for (const Order order : all_orders)
            if (respond(Phase::stopping, order).effect == Effect::act)
                CHECK(phase_after(Phase::stopping, order) == Phase::stopping);
    }

    TEST_CASE("each signal gives its order, and the others none") {
        for (const Phase phase : all_phases)
            for (const bool terminal : {false, true}) {
                CHECK(order_of_signal(SIGTERM, phase, terminal) == Order::stop);
                CHECK(order_of_signal(SIGQUIT, phase, terminal) == Order::stop);
                CHECK(order_of_signal(SIGUSR1, phase, terminal) == Order::reopen_log);
                CHECK(order_of_signal(SIGUSR2, phase, terminal) == Order::upgrade);
                CHECK(order_of_signal(SIGTTIN, phase, terminal) == Order::more_workers);
                CHECK(order_of_signal(SIGTTOU, phase, terminal) == Order::fewer_workers);
                for (const int meaningless : {SIGALRM, SIGIO, SIGPROF, SIGPWR, SIGRTMIN, SIGRTMAX})
                    CHECK_FALSE(order_of_signal(meaningless, phase, terminal));
            }
    }

    TEST_CASE("the signals that are listed are those that can give an order") {
        for (int signal = 1; signal <= SIGRTMAX; ++signal) {
            const bool listed =
                std::find(order_signals.begin(), order_signals.end(), signal) != order_signals.end();
            CHECK(order_of_signal(signal, Phase::serving, true).has_value() == listed);
        }
    }

    TEST_CASE("SIGHUP is a reload, unless the server's terminal is gone") {
        for (const Phase phase : all_phases) {
            CHECK(order_of_signal(SIGHUP, phase, true) == Order::stop);
            CHECK(order_of_signal(SIGHUP, phase, false) == Order::reload);
        }
    }

    TEST_CASE(
        "SIGINT is an orderly stop, and in a stop one at once; at once with SIGTERM it is heeded first") {
        for (const Phase phase : {Phase::starting, Phase::serving, Phase::reloading, Phase::upgrading})
            CHECK(order_of_signal(SIGINT, phase, false) == Order::stop);
        CHECK(order_of_signal(SIGINT, Phase::stopping, false) == Order::stop_at_once);
        CHECK(order_signals.front() == SIGINT);
    }
}
