/// What to write instead of something that is no handler.
#pragma once

#include <concepts>
#include <type_traits>

#include <bullpen/async_handler.hpp>
#include <bullpen/datagram_handler.hpp>
#include <bullpen/handler.hpp>
#include <bullpen/per_worker.hpp>
#include <bullpen/program.hpp>

namespace bullpen::detail {

template <typename Given>
concept Servable =
    std::convertible_to<Given, PerWorker<Handler>> || std::convertible_to<Given, PerWorker<AsyncHandler>> ||
    std::convertible_to<Given, Program> || std::convertible_to<Given, PerWorker<DatagramHandler>>;

/// Doesn't compile; the first sentence that fits is the compiler's.
template <typename Given>
constexpr void explain_handler_mistake() {
    using Callable = std::remove_cvref_t<Given>&;
    constexpr bool takes_connection = std::is_invocable_v<Callable, Connection&>;
    constexpr bool takes_copy = !takes_connection && std::is_invocable_v<Callable, Connection>;
    constexpr bool takes_async = std::is_invocable_v<Callable, AsyncConnection&>;
    constexpr bool takes_worker = std::is_invocable_v<Callable, WorkerContext&>;
    constexpr bool takes_nothing = std::is_invocable_v<Callable>;
    if constexpr (takes_copy)
        static_assert(!takes_copy, "a handler takes its client by reference: (bullpen::Connection& client)");
    else if constexpr (takes_connection)
        static_assert(!takes_connection, "a handler can be moved: move what it captures into it");
    else if constexpr (takes_async)
        static_assert(!takes_async,
                      "a handler of a bullpen::AsyncConnection& is a coroutine: it returns "
                      "boost::asio::awaitable<void>, and has co_await or co_return in it");
    else if constexpr (takes_worker)
        static_assert(!takes_worker,
                      "what takes a bullpen::WorkerContext& makes the worker's handler and returns it, as in "
                      "return [](bullpen::Connection& client) { ... };");
    else if constexpr (takes_nothing)
        static_assert(!takes_nothing, "a handler takes its client: (bullpen::Connection& client)");
    else
        static_assert(
            Servable<Given>,
            "a handler is a function of (bullpen::Connection&) that returns void or bullpen::Next, a "
            "coroutine of (bullpen::AsyncConnection&), a function of (bullpen::Datagram&), a "
            "bullpen::Program, or what makes one from a "
            "(bullpen::WorkerContext&)");
}

}  // namespace bullpen::detail
