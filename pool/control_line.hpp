/// The control socket's protocol: one JSON line each way. Pure; `bullpen ctl` and the master share it.
///
///     {"version":1,"command":"stop","now":true}
///     {"version":1,"exit_status":0,"message":"the server has stopped"}
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "pool/orders.hpp"
#include "pool/status.hpp"

namespace bullpen {

constexpr int control_version = 1;              ///< A request or an answer of another one is refused.
constexpr std::size_t request_line_max = 1024;  ///< Bytes, with the newline.
constexpr std::size_t answer_line_max = 8U << 20U;

/// The commands, and the orders that they give: "stop" with "now" gives Order::stop_at_once.
struct ControlCommand {
    std::string_view name;
    Order order;
    std::string_view help;
};
inline constexpr std::array control_commands = {
    ControlCommand{"status", Order::status, "how the server and its pools are"},
    ControlCommand{"reload", Order::reload, "read the configuration file again"},
    ControlCommand{"upgrade", Order::upgrade, "start the program anew and let it take over"},
    ControlCommand{"stop", Order::stop, "serve what has been accepted, then end"},
};

/// What `bullpen sockets` asks: the answer comes with a file, see pool/connection_list.hpp. Nobody types it.
inline constexpr ControlCommand connections_command{"connections", Order::connections,
                                                    "list the connections"};

struct ControlAnswer {
    int exit_status = 0;  ///< Of `bullpen ctl`: 0: it has happened, 1: it could not be done, 2: it is
                          ///< refused, 3: a stop has lost connections.
    std::string message;  ///< A sentence without its full stop.
};

/// The line for a command, with its newline.
std::string request_line(std::string_view command, bool now);

/// A request as it was read: an order, or what is wrong with it.
struct ControlRequest {
    std::optional<Order> order{};
    ControlAnswer refusal{};
};
ControlRequest read_request(std::string_view line);

/// The line for an answer, with its newline; `status` (or null) becomes its member "server".
std::string answer_line(const ControlAnswer& answer, const ServerStatus* status = nullptr);

}  // namespace bullpen
