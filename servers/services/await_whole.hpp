/// Waiting for a text of a client's to be whole, without a worker where the connection can be parked.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include <bullpen/connection.hpp>

namespace bullpen {

/// Peeks at what the client sends until it is whole (`is_whole` of what is there), the client has ended its
/// side, or the buffer is full: the number of bytes that are there then, untaken. Nothing: the handler
/// returns Next::await_input and calls this again. A text that has begun must be whole within
/// limits().header: throws TimedOut. Uses the first 16 bytes of Connection::state().
std::optional<std::size_t> await_whole(Connection& client, std::span<std::byte> buffer,
                                       const std::function<bool(std::string_view)>& is_whole);

}  // namespace bullpen
