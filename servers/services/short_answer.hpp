/// Services that send each client one text and end the connection, whatever the client says.
#pragma once

#include <functional>
#include <string>

#include <bullpen/async_handler.hpp>
#include <bullpen/handler.hpp>

namespace bullpen {

/// Makes the text for one client. Called in the worker, by several threads at once.
using ShortAnswer = std::function<std::string()>;

Handler make_short_answer(ShortAnswer answer);
AsyncHandler make_async_short_answer(ShortAnswer answer);

}  // namespace bullpen
