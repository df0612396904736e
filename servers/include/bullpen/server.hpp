/// Several pools under one master.
///
///     bullpen::Server server;
///     server.add({.name = "web", .listen = {"0.0.0.0:8080"}}, answer);
///     server.add({.name = "admin", .listen = {"unix:/run/shop/admin"}}, command);
///     return server.run();
#pragma once

#include <functional>
#include <memory>

#include <bullpen/async_handler.hpp>
#include <bullpen/datagram_handler.hpp>
#include <bullpen/detail/handler_mistake.hpp>
#include <bullpen/export.hpp>
#include <bullpen/handler.hpp>
#include <bullpen/options.hpp>
#include <bullpen/per_worker.hpp>
#include <bullpen/program.hpp>

namespace bullpen {
namespace testing {
class TestServer;
}

/// A server that is to be. Collects pools; nothing happens before run().
class BULLPEN_API Server {
public:
    Server();
    ~Server();
    Server(Server&&) noexcept;
    Server& operator=(Server&&) noexcept;

    /// Adds a pool, for a model of that form; each needs a name of its own. What Options has of the whole
    /// server any pool may say: the first one's name is the server's.
    Server& add(Options options, PerWorker<Handler> handler);
    Server& add(Options options, PerWorker<AsyncHandler> handler);
    Server& add(Options options, Program program);
    Server& add(Options options, PerWorker<DatagramHandler> handler);

    /// Anything else doesn't compile, and the compiler says what to write instead.
    template <typename Given>
    requires(!detail::Servable<Given>) Server& add(Options, Given&&) {
        detail::explain_handler_mistake<Given>();
        return *this;
    }

    /// Serves, see serve() in bullpen/serve.hpp. Wrong options are told here.
    int run();

private:
    friend int serve(const std::function<Server()>& make);
    friend testing::TestServer;
    struct Pools;
    std::unique_ptr<Pools> pools_;
};

/// Serves what `make` returns, and calls it again for each reload (SIGHUP, `bullpen ctl reload`): first in a
/// child of the master, which may take its time, then in the process that called serve(), where nobody
/// accepts meanwhile. If it throws, or something is wrong with what it returns, the server goes on as it was,
/// and who asked for the reload is told (std::invalid_argument: a mistake of the user's). Else the pools
/// change while they serve (bullpen's servers/README.md: what can't change is refused by its name), and all
/// workers are replaced a few at a time, because handlers can't be compared.
BULLPEN_API int serve(const std::function<Server()>& make);

}  // namespace bullpen
