/// What a server does with a client: the one function its user writes.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <bullpen/connection.hpp>
#include <bullpen/detail/empty_function.hpp>

namespace bullpen {

/// What becomes of the connection when a handler returns.
enum class Next {
    close,         ///< It is done; the worker closes it.
    await_input,   ///< The handler is to be called again, by whichever worker is free then, once the client
                   ///< has sent something (or has ended its side after sending something).
    await_output,  ///< The same, once the client takes more.
};
// Until then the connection is parked: where the model hands off, the worker gives it back to the master and
// serves others, as those of select, poll, epoll and signal do; elsewhere it waits. What survives is state()
// and file(), nothing else: see Connection::peek() and unread() for half a message. One that has a file() is
// given back only if Options::parks_files is set; else its worker itself waits.
//
// A handler that returns await_input takes what is there (read_some(), take()), or has asked peek() for more
// than is there. One that doesn't would be called again at once and for ever: at the sixteenth such turn in a
// row its client is closed and counted as failed, and the log says so.

/// A plain blocking function over one connection. Made from any callable that takes a Connection& and returns
/// Next, or void for Next::close; it needn't be copyable, and copies of a Handler share it. It runs in a
/// worker, one connection at a time. An exception closes that connection and nothing else; a crash kills that
/// worker, and other clients are unaffected.
///
/// Where the master accepts, it keeps a copy of each socket. After a crash it ends the connection if a byte
/// was taken or written since the last request boundary (see Connection::peek). Else another worker calls its
/// handler: always if the worker that died was between two requests or hadn't called its handler yet; else
/// Options::retry_crashed times for each request.
class Handler {
public:
    template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, Handler> &&
             std::is_invocable_v<Callable&, Connection&>)
        Handler(Callable callable) {  // NOLINT(google-explicit-constructor): a lambda is a handler.
        using Result = std::invoke_result_t<Callable&, Connection&>;
        static_assert(std::is_void_v<Result> || std::is_same_v<Result, Next>,
                      "a handler returns void or bullpen::Next");
        if (detail::is_empty_function(callable)) return;
        callable_ = std::make_shared<Callable>(std::move(callable));
        call_ = [](void* of, Connection& client) {
            Callable& called = *static_cast<Callable*>(of);
            if constexpr (std::is_void_v<Result>) {
                called(client);
                return Next::close;
            } else {
                return called(client);
            }
        };
    }

    /// False of one that was made from an empty std::function, or the like: it may not be called, and the
    /// server that gets it doesn't start.
    explicit operator bool() const noexcept { return call_ != nullptr; }

    Next operator()(Connection& client) const { return call_(callable_.get(), client); }

private:
    std::shared_ptr<void> callable_;
    Next (*call_)(void* callable, Connection& client) = nullptr;
};

}  // namespace bullpen
