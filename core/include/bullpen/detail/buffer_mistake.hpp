/// What to write instead of something that bytes can't be read into, or written from.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

namespace bullpen::detail {

template <typename Given>
concept WritableBytes = std::convertible_to<Given, std::span<std::byte>>;

template <typename Given>
concept ReadableBytes =
    std::convertible_to<Given, std::span<const std::byte>> || std::convertible_to<Given, std::string_view>;

/// Doesn't compile.
template <typename Given>
constexpr void explain_input_mistake() {
    constexpr bool is_const = std::convertible_to<Given, std::span<const std::byte>>;
    if constexpr (is_const)
        static_assert(!is_const,
                      "bytes are read into a buffer that isn't const and lives on: a named "
                      "std::array<std::byte, N> or std::vector<std::byte>");
    else
        static_assert(WritableBytes<Given>,
                      "bytes are read into a std::span<std::byte>: of a buffer of chars write "
                      "std::as_writable_bytes(std::span{buffer})");
}

/// Doesn't compile.
template <typename Given>
constexpr void explain_output_mistake() {
    static_assert(ReadableBytes<Given>,
                  "what is written is a text (std::string_view) or bytes (std::span<const std::byte>): of a "
                  "number write std::to_string(number), of an array std::as_bytes(std::span{array})");
}

}  // namespace bullpen::detail
