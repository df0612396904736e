/// What a server does with a datagram.
///
///     return bullpen::serve({.listen = {"udp:0.0.0.0:7000"}}, [](bullpen::Datagram& datagram) {
///         datagram.answer("hello\n");
///     });
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <bullpen/datagram.hpp>
#include <bullpen/detail/empty_function.hpp>

namespace bullpen {

/// A function over one datagram, for pools whose listeners are all for datagrams (udp:HOST:PORT,
/// unixgram:/path). Made from any callable that takes a Datagram& and returns nothing; it needn't be
/// copyable, and copies of a DatagramHandler share it. It runs in a worker, one datagram at a time. An
/// exception is logged, and the datagram counts as failed; a crash ends that worker with the datagrams that
/// it has in hand, up to 32, which are counted as lost.
class DatagramHandler {
public:
    DatagramHandler() = default;  ///< None: the service has no such form.

    template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, DatagramHandler> &&
             std::is_invocable_r_v<void, Callable&, Datagram&>)
        DatagramHandler(Callable callable) {  // NOLINT(google-explicit-constructor): a lambda is a handler.
        static_assert(std::is_void_v<std::invoke_result_t<Callable&, Datagram&>>,
                      "a handler of datagrams returns nothing: it calls datagram.answer()");
        if (detail::is_empty_function(callable)) return;
        callable_ = std::make_shared<Callable>(std::move(callable));
        call_ = [](void* of, Datagram& datagram) { (*static_cast<Callable*>(of))(datagram); };
    }

    /// False of one that was made from an empty std::function, or the like, too: see Handler.
    explicit operator bool() const noexcept { return call_ != nullptr; }

    void operator()(Datagram& datagram) const { call_(callable_.get(), datagram); }

private:
    std::shared_ptr<void> callable_;
    void (*call_)(void* callable, Datagram& datagram) = nullptr;
};

}  // namespace bullpen
