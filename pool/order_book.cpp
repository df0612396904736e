#include "pool/order_book.hpp"

#include <unistd.h>

#include <cstring>
#include <string>

#include "core/log.hpp"

namespace bullpen {

bool OrderBook::has_terminal() noexcept {
    return ::isatty(STDIN_FILENO) != 0 || ::isatty(STDERR_FILENO) != 0;
}

bool OrderBook::heed_signal(int signal, const CarryOut& carry_out) {
    const std::string who = std::string{"master: SIG"} + ::sigabbrev_np(signal);
    const bool terminal_is_gone = had_terminal_ && !has_terminal_();
    const std::optional<Order> order = order_of_signal(signal, phase_, terminal_is_gone);
    return !order || heed(who, *order, carry_out);
}

bool OrderBook::heed_request(Order order, const CarryOut& carry_out) {
    return heed(order == Order::stop ? "master: bullpen::stop()" : "master: bullpen::reload()", order,
                carry_out);
}

bool OrderBook::heed(const std::string& who, Order order, const CarryOut& carry_out) {
    const Response response = respond(phase_, order);
    if (response.effect == Effect::postpone) return false;
    if (response.effect != Effect::act) {
        log(LogLevel::info, who + ": " + std::string{response.why});
    } else if (const std::optional<Outcome> outcome = begin(order, carry_out)) {
        log(outcome->answer.exit_status == 0 ? LogLevel::info : LogLevel::warning,
            who + ": " + outcome->answer.message);
    }
    return true;
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

void OrderBook::settle_reload(const ControlAnswer& answer) {
    if (control_) control_->answer_all(Order::reload, answer);
    if (phase_ == Phase::reloading) phase_ = Phase::starting;  // See Master::heed_orders().
}

void OrderBook::settle_upgrade(const ControlAnswer& answer) {
    if (control_) control_->answer_all(Order::upgrade, answer);
    if (phase_ == Phase::upgrading) phase_ = Phase::starting;
}

void OrderBook::stop_listening() noexcept {
    if (control_) control_->stop_listening();
}

void OrderBook::leave_control_to_twin() noexcept {
    if (control_) control_->leave_to_twin();
}

void OrderBook::own_control_file() noexcept {
    if (control_) control_->own_file();
}

void OrderBook::leave_clients(ReloadNote& note) noexcept {
    if (control_) control_->leave_clients(note);
}

void OrderBook::take_over_clients(ReloadNote& note, OpenDescriptors& open) {
    if (control_) control_->take_over_clients(note, open);
}

void OrderBook::heed_asker(Control::Asker& asker, const CarryOut& carry_out) {
    constexpr int refused = 2;
    const Response response = respond(phase_, asker.order());
    if (response.effect == Effect::postpone) return;  // It is asked again in each turn.
    if (response.effect == Effect::refuse) return asker.answer({refused, std::string{response.why}});
    asker.note_under_way();
    if (response.effect == Effect::join) return;
    if (const std::optional<Outcome> outcome = begin(asker.order(), carry_out))
        asker.answer(outcome->answer, outcome->status ? &*outcome->status : nullptr, outcome->list.get());
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
