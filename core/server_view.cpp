#include <bullpen/detail/server_view.hpp>

namespace bullpen {
namespace {

std::uint32_t value_of(const std::atomic<std::uint32_t>* word) noexcept {
    return word == nullptr ? 0 : word->load(std::memory_order_relaxed);
}

}  // namespace

bool ServerView::is_draining() const noexcept {
    return value_of(draining) != 0 || value_of(leaving) != 0;
}

bool ServerView::is_stopping() const noexcept {
    return value_of(draining) != 0 || value_of(leaving) == orphaned;
}

bool ServerView::somebody_waits() const noexcept {
    return takes_turns || in_hand > 0 || (wanted != nullptr && wanted->load(std::memory_order_seq_cst) != 0);
}

bool ServerView::pool_has_no_spare() const noexcept {
    return spare != nullptr && spare->load(std::memory_order_relaxed) == 0;
}

}  // namespace bullpen
