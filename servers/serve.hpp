/// Bullpen as a library: a handler becomes a server.
///
///     #include "servers/serve.hpp"
///
///     int main() {
///         return bullpen::serve({.listen = {"127.0.0.1:7000"}}, [](bullpen::Connection& client) {
///             client.write_all("hello\n");
///         });
///     }
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/handler.hpp"
#include "pool/sizing.hpp"

namespace bullpen {

struct Options {
    std::string name = "default";  ///< The pool's name in logs and metrics.
    std::vector<std::string> listen = {
        "127.0.0.1:8080"};          ///< HOST:PORT, [V6]:PORT or unix:/path, one or several.
    std::string model = "prefork";  ///< One of those that `bullpen models` lists.
    PoolLimits limits = {};
    std::string metrics = "off";  ///< Where Prometheus may scrape (/metrics, /healthz, /readyz), or "off".
    std::chrono::seconds drain_timeout{30};  ///< The longest that an orderly stop may take.
};

/// Serves until SIGTERM, SIGINT or SIGQUIT and returns main()'s exit status: 0 after an orderly stop, 1 if it
/// could not start, 2 if the options are wrong (one sentence on stderr says what). The calling process
/// becomes the master and must have one thread; `handler` runs in worker processes, one client at a time.
/// Descriptors that are open at the call stay open in the workers.
int serve(const Options& options, Handler handler);

}  // namespace bullpen
