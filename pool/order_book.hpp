/// The order book: the orders that have come, by signal or by `bullpen ctl`, and what becomes of each.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <bullpen/clock.hpp>
#include "pool/control.hpp"
#include "pool/events.hpp"
#include "pool/orders.hpp"
#include "pool/status.hpp"

namespace bullpen {

/// How an order ended.
struct Outcome {
    ControlAnswer answer;
    std::optional<ServerStatus> status{};  ///< Of Order::status.
    UniqueFd list{};                       ///< Of Order::connections: a file with a connection list.
};

/// Lives in the master, and knows the phase of its life. Asks the table (pool/orders.cpp) about each order;
/// whoever gave it is told by an answer, or by a line in the log if that was a signal.
class OrderBook {
public:
    /// Carries an order out. Returns nothing if it has only begun: then settle_stop() says how it ended.
    using CarryOut = std::function<std::optional<Outcome>(Order)>;

    /// Whether one of the standard descriptors is a terminal that is still there.
    static bool has_terminal() noexcept;

    /// `ask` is has_terminal(), called now and at a SIGHUP.
    explicit OrderBook(bool (*ask)() noexcept = &OrderBook::has_terminal)
        : has_terminal_{ask}, had_terminal_{ask()} {}

    /// Takes orders from `bullpen ctl`, too; called before watch_by().
    void open(Control control) { control_.emplace(std::move(control)); }
    void watch_by(Events& events) {
        if (control_) control_->watch_by(events);
    }

    [[nodiscard]] Phase phase() const noexcept { return phase_; }
    void set_phase(Phase phase) noexcept { phase_ = phase; }

    /// Heeds one signal that the keeper has passed on. Returns false if it is to come again later.
    [[nodiscard]] bool heed_signal(int signal, const CarryOut& carry_out);

    /// The same of a call of bullpen::stop() or reload() in one of the server's processes.
    [[nodiscard]] bool heed_request(Order order, const CarryOut& carry_out);

    /// Takes what has come by the control socket, and heeds it.
    void attend(TimePoint now, const CarryOut& carry_out);

    /// Answers those who wait for the end of a stop, a reload or an upgrade, and ends the phase of the latter
    /// two: orders that waited are to be looked at again.
    void settle_stop(const ControlAnswer& answer);
    void settle_reload(const ControlAnswer& answer);
    void settle_upgrade(const ControlAnswer& answer);

    /// A new server has the control socket, see Control.
    void stop_listening() noexcept;
    void leave_control_to_twin() noexcept;
    void own_control_file() noexcept;

    /// Leaves the clients of `bullpen ctl` to the next master, or takes them over, before watch_by().
    void leave_clients(ReloadNote& note) noexcept;
    void take_over_clients(ReloadNote& note, OpenDescriptors& open);

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) {
        return control_ ? control_->prepare_to_wait(now) : TimePoint::max();
    }

private:
    [[nodiscard]] bool heed(const std::string& who, Order order, const CarryOut& carry_out);
    void heed_asker(Control::Asker& asker, const CarryOut& carry_out);
    std::optional<Outcome> begin(Order order, const CarryOut& carry_out);

    bool (*has_terminal_)() noexcept;
    bool had_terminal_;
    Phase phase_ = Phase::starting;
    std::optional<Control> control_;
};

}  // namespace bullpen
