/// Bullpen as a library: a handler becomes a server.
///
///     #include <bullpen/serve.hpp>
///
///     int main() {
///         return bullpen::serve({.listen = {"127.0.0.1:7000"}}, [](bullpen::Connection& client) {
///             client.write_all("hello\n");
///         });
///     }
#pragma once

#include <concepts>

#include <bullpen/async_handler.hpp>
#include <bullpen/datagram_handler.hpp>
#include <bullpen/detail/handler_mistake.hpp>
#include <bullpen/export.hpp>
#include <bullpen/handler.hpp>
#include <bullpen/options.hpp>
#include <bullpen/per_worker.hpp>
#include <bullpen/program.hpp>

namespace bullpen {

/// Serves until SIGTERM, SIGINT or SIGQUIT and returns main()'s exit status: 0 after an orderly stop, 1 if it
/// could not start, 2 if the options are wrong (one sentence on stderr says what), 3 if the stop lost
/// connections. Each sentence begins with the program's name. First of all, descriptors 0, 1 and 2 are opened
/// as /dev/null where they are closed. The calling process becomes the keeper of the server (its parent
/// process) and must have one thread; `handler` runs in worker processes, one client at a time. Descriptors
/// that are open at the call stay open in the workers. In the models thread, prethread and prethread-accept,
/// and with several `threads`, one handler is called by several threads at once.
BULLPEN_API int serve(Options options, PerWorker<Handler> handler);

/// The same of a coroutine (bullpen/async_connection.hpp), for the models event and prefork-event.
BULLPEN_API int serve(Options options, PerWorker<AsyncHandler> handler);

/// The same of a program, which is started for each client with the connection as its standard descriptors,
/// for the model inetd.
BULLPEN_API int serve(Options options, Program program);

/// The same of a function over datagrams, for listeners that are all for datagrams (udp:HOST:PORT,
/// unixgram:/path) and for the models that `bullpen models` names for them.
BULLPEN_API int serve(Options options, PerWorker<DatagramHandler> handler);

/// Anything else doesn't compile, and the compiler says what to write instead.
template <typename Given>
requires(!detail::Servable<Given>) int serve(Options, Given&&) {
    detail::explain_handler_mistake<Given>();
    return 2;
}
template <typename Given>
requires(!std::convertible_to<Given, Options>) int serve(Given&&, Options) {
    static_assert(std::convertible_to<Given, Options>, "the options come first: serve(options, handler)");
    return 2;
}

}  // namespace bullpen
