/// The orders to change a pool's size (SIGTTIN, SIGTTOU).
#pragma once

#include <atomic>
#include <cstdint>

#include "core/shared_array.hpp"
#include "pool/control_line.hpp"
#include "pool/pool_options.hpp"
#include "pool/pool_shape.hpp"

namespace bullpen {

/// Lives in the master, and is the only part that changes the limits there. What has been carried out is one
/// word, which outlives the master: an order is carried out once, or not.
class SizeOrders {
public:
    SizeOrders(PoolOptions& options, const PoolShape& shape) : options_{options}, shape_{shape} {}

    /// From here on children don't get what is the master's alone.
    void keep_from_children() noexcept { carried_out_.keep_from_children(); }

    /// For a master whose predecessor has died: the limits are as that has left them.
    void adopt() noexcept;

    /// In the keeper between two masters: a new configuration has its own limits.
    void forget_changes() noexcept;

    /// Changes the limits by so many processes' workers: workers_max of a pool of fixed size, else spare_min
    /// and spare_max. The answer says what they are now, or why they can't be changed. `number` is how many
    /// such orders came before: one that a dead master had carried out isn't carried out again.
    ControlAnswer carry_out(int processes, std::uint64_t number);

private:
    struct Word {
        std::atomic<std::uint64_t> value;  ///< The number of orders, and above that the workers more or less.

        [[nodiscard]] std::uint32_t orders() const noexcept { return static_cast<std::uint32_t>(value); }
        [[nodiscard]] int workers_more() const noexcept { return static_cast<int>(value >> 32U); }
        void set(std::uint32_t orders, int workers) noexcept {
            value = std::uint64_t{static_cast<std::uint32_t>(workers)} << 32U | orders;
        }
    };

    PoolOptions& options_;
    const PoolShape& shape_;
    SharedArray<Word> carried_out_{1};
};

}  // namespace bullpen
