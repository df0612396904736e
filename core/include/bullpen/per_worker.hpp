/// A handler that each worker makes for itself, and what it is told of its worker.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <bullpen/detail/empty_function.hpp>

namespace bullpen {

/// A worker as its user's code sees it.
struct WorkerContext {
    std::string pool;        ///< Options::name.
    std::uint32_t slot = 0;  ///< Tells the workers of a pool apart; logs and metrics show it. The worker that
                             ///< comes after this one gets it again.
};

/// A Handler or AsyncHandler for each worker. Made from a handler, which all workers then share (each process
/// has its copy from the fork; the threads of one process call the same one), or from a callable that takes a
/// WorkerContext& and returns a handler:
///
///     bullpen::serve(options, [](bullpen::WorkerContext&) {
///         return [database = Database{"/var/lib/shop.db"}](bullpen::Connection& client) mutable {
///             ...
///         };
///     });
///
/// The callable is called in the worker's process, once for each worker (for each thread, if workers are
/// threads), after Options::on_worker_start and before the worker is ready. So its handler is called by one
/// thread at a time. What it throws is a death at the start: see on_worker_start. What it returns is
/// destroyed only with the process, which leaves by _exit(2): see on_worker_stop.
template <typename OneHandler>
class PerWorker {
public:
    PerWorker() = default;  ///< None: the service has no such form.

    template <typename Given>
    requires(std::constructible_from<OneHandler, Given> &&
             !std::same_as<std::remove_cvref_t<Given>, PerWorker>)
        PerWorker(Given&& given) {  // NOLINT(google-explicit-constructor): a handler is one for every worker.
        if (OneHandler handler{std::forward<Given>(given)})
            *this = PerWorker{[handler = std::move(handler)](WorkerContext&) { return handler; }};
    }

    template <typename Maker>
    requires(std::constructible_from<OneHandler, std::invoke_result_t<Maker&, WorkerContext&>>)
        PerWorker(Maker maker) {  // NOLINT(google-explicit-constructor): so is a lambda that makes one.
        if (detail::is_empty_function(maker)) return;
        maker_ = std::make_shared<Maker>(std::move(maker));
        make_ = [](void* of, WorkerContext& worker) {
            return OneHandler{(*static_cast<Maker*>(of))(worker)};
        };
    }

    /// False if there is no handler and no maker, or an empty one.
    explicit operator bool() const noexcept { return make_ != nullptr; }

    /// Calls the maker, in the worker's process. Throws std::invalid_argument if it makes an empty handler.
    OneHandler operator()(WorkerContext& worker) const {
        OneHandler handler = make_(maker_.get(), worker);
        if (!handler)
            throw std::invalid_argument{"handler: expected a function, the maker made an empty one"};
        return handler;
    }

private:
    std::shared_ptr<void> maker_;
    OneHandler (*make_)(void* maker, WorkerContext& worker) = nullptr;
};

}  // namespace bullpen
