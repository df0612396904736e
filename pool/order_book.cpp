#include "pool/order_book.hpp"

#include <cstring>
#include <string>

#include "core/log.hpp"

namespace bullpen {

void OrderBook::heed_signal(int signal, const CarryOut& carry_out) {
    const std::string who = std::string{"master: SIG"} + ::sigabbrev_np(signal);
    const std::optional<Order> order = order_of_signal(signal, phase_, had_terminal_);
    if (!order) return log(LogLevel::info, who + " is ignored: the server was started without a terminal");
    const Response response = respond(phase_, *order);
    if (response.effect != Effect::act) return log(LogLevel::info, who + ": " + std::string{response.why});
    if (const std::optional<Outcome> outcome = begin(*order, carry_out))
        log(outcome->answer.exit_status == 0 ? LogLevel::info : LogLevel::warning,
            who + ": " + outcome->answer.message);
}

void OrderBook::attend(TimePoint now, const CarryOut& carry_out) {
    if (!control_) return;
    control_->attend(now);
    control_->for_each_asker([&](Control::Asker& asker) { heed_asker(asker, carry_out); });
}

void OrderBook::settle_stop(const ControlAnswer& answer) {
    if (!control_) return;
    for (const Order order : {Order::stop, Order::stop_at_once})
        control_->answer_all(order, answer);
}

void OrderBook::heed_asker(Control::Asker& asker, const CarryOut& carry_out) {
    constexpr int refused = 2;
    const Response response = respond(phase_, asker.order());
    if (response.effect == Effect::refuse) return asker.answer({refused, std::string{response.why}});
    asker.note_under_way();
    if (response.effect == Effect::join) return;
    if (const std::optional<Outcome> outcome = begin(asker.order(), carry_out))
        asker.answer(outcome->answer, outcome->status ? &*outcome->status : nullptr);
}

/// An order that has ended at once begins no phase.
std::optional<Outcome> OrderBook::begin(Order order, const CarryOut& carry_out) {
    const Phase before = phase_;
    phase_ = phase_after(phase_, order);
    std::optional<Outcome> outcome = carry_out(order);
    if (outcome) phase_ = before;
    return outcome;
}

}  // namespace bullpen
