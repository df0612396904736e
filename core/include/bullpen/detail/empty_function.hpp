/// Callables that hold no function.
#pragma once

#include <concepts>
#include <cstddef>

namespace bullpen::detail {

/// Whether calling it would call nothing: an empty std::function, a null pointer to a function, and whatever
/// else says that it equals nullptr.
template <typename Callable>
[[nodiscard]] constexpr bool is_empty_function(const Callable& callable) {
    if constexpr (requires {
                      { callable == nullptr } -> std::convertible_to<bool>;
                  })
        return callable == nullptr;
    else
        return false;
}

}  // namespace bullpen::detail
