/// The asynchronous form of a handler, for the models whose workers run an event loop.
///
/// To write one include <bullpen/async_connection.hpp>; this header only carries it and includes no Asio.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <bullpen/detail/empty_function.hpp>

namespace boost::asio {
class any_io_executor;
template <typename Result, typename Executor>
class awaitable;
}  // namespace boost::asio

namespace bullpen {

class AsyncConnection;

/// A coroutine over one connection, boost::asio::awaitable<void>(AsyncConnection&); what makes it needn't be
/// copyable, and copies of an AsyncHandler share it. It runs in a worker,
/// beside the coroutines of the worker's other connections and in the same thread: while it computes or
/// blocks, none of them goes on. What it throws ends its connection, what it crashes ends that worker and all
/// of them.
class AsyncHandler {
public:
    using Coroutine = boost::asio::awaitable<void, boost::asio::any_io_executor>;

    AsyncHandler() = default;  ///< None: the service has no such form.

    template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, AsyncHandler> &&
             std::is_same_v<std::invoke_result_t<Callable&, AsyncConnection&>, Coroutine>)
        AsyncHandler(Callable callable) {  // NOLINT(google-explicit-constructor): a lambda is a handler.
        if (detail::is_empty_function(callable)) return;
        callable_ = std::make_shared<Callable>(std::move(callable));
        call_ = [](void* of, AsyncConnection& client) { return (*static_cast<Callable*>(of))(client); };
    }

    /// False of one that was made from an empty std::function, or the like, too: see Handler.
    explicit operator bool() const noexcept { return call_ != nullptr; }

    /// The handler must outlive the coroutine.
    Coroutine operator()(AsyncConnection& client) const;

private:
    std::shared_ptr<void> callable_;
    Coroutine (*call_)(void* callable, AsyncConnection& client) = nullptr;
};

}  // namespace bullpen
