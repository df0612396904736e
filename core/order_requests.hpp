/// What bullpen::stop() and bullpen::reload() write to.
#pragma once

#include <array>

#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Two eventfds, made before the first fork, in the process that becomes the keeper. Its children keep them,
/// programs don't. There is one at a time.
class OrderRequests {
public:
    OrderRequests();
    ~OrderRequests();
    OrderRequests(const OrderRequests&) = delete;
    OrderRequests& operator=(const OrderRequests&) = delete;

    /// Readable from the first stop() on, for good.
    [[nodiscard]] int stop() const noexcept { return stop_.get(); }

    /// Readable from a reload() on until the next settle_reload().
    [[nodiscard]] int reload() const noexcept { return reload_.get(); }
    void settle_reload() noexcept;

private:
    UniqueFd stop_;
    UniqueFd reload_;
};

/// The descriptors of the OrderRequests that are there, or -1.
std::array<int, 2> order_request_descriptors() noexcept;

/// In a process that is no part of the server any more: closes them.
void forget_order_requests() noexcept;

}  // namespace bullpen
