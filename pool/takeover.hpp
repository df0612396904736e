/// The takeover: how a new program takes the place of the server that has started it.
#pragma once

#include <functional>
#include <optional>

#include <bullpen/clock.hpp>
#include "pool/companions.hpp"
#include "pool/events.hpp"
#include "pool/image_descriptors.hpp"
#include "pool/inheritance.hpp"
#include "pool/logbook.hpp"
#include "pool/order_book.hpp"
#include "pool/pools.hpp"

namespace bullpen {

/// The new server's side of an upgrade (see Upgrade). Made in the keeper's image, with what the predecessor
/// leaves; what has happened stands in the logbook. Until the predecessor says go, the server is held: no
/// door is open, no companion runs, and nobody is heard.
class Takeover {
public:
    /// Waits for the listeners, if there is a predecessor, see Inheritance::receive().
    Takeover(Logbook& logbook, Pools& pools, OrderBook& book, Companions& companions);

    [[nodiscard]] Inheritance& inheritance() noexcept { return inheritance_; }

    /// Whether this server has taken another one's place, and has the files of its UNIX sockets.
    [[nodiscard]] bool is_done() const noexcept { return logbook_.has_taken_over != 0; }
    [[nodiscard]] bool is_awaited() const noexcept { return inheritance_.has_predecessor() && !is_done(); }

    // In a master.

    /// `released` is called when the server is to begin.
    void start(Events& events, std::function<void()> released);

    /// Says to the predecessor that the server is ready, heeds it, and takes in its connections. Throws
    /// std::runtime_error if it has given the upgrade up.
    void attend(TimePoint now);

    void prepare_to_wait() {
        if (watch_) watch_->arm();
    }

    /// Whether the number was that of the channel to the predecessor, which is closed: it may be another's.
    [[nodiscard]] bool has_closed(int fd) const noexcept {
        return fd == inheritance_.channel() && logbook_.predecessor_is_gone != 0;
    }

    // In the keeper, between two masters.

    /// Forgets the channel, if a master has closed it.
    void forget_closed(ImageDescriptors& descriptors) noexcept;

private:
    void say_if_ready() noexcept;
    void release(TimePoint now);
    void take_in(UpgradeMail& mail, TimePoint now) noexcept;

    Logbook& logbook_;
    Pools& pools_;
    OrderBook& book_;
    Companions& companions_;
    Inheritance inheritance_;
    Events* events_ = nullptr;
    std::optional<Events::Watch> watch_;  ///< Of the channel to the predecessor.
    bool has_said_ready_ = false;
    std::function<void()> released_;
};

}  // namespace bullpen
