/// For tests of one's own server.
///
///     void hello(bullpen::Connection& client) { client.write_all("hello"); }
///
///     bullpen::testing::TestServer server{{}, hello};
///     CHECK(server.ask("") == "hello");
///     CHECK(server.metric("bullpen_connections_accepted_total") == 1);
///     CHECK(server.stop() == 0);
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <bullpen/address.hpp>
#include <bullpen/bound_addresses.hpp>
#include <bullpen/export.hpp>
#include <bullpen/server.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen::testing {

/// A server in a process of its own, forked by the constructor, which ends with the test. Its log goes where
/// the test's stderr goes. What a handler changes in memory the test doesn't see.
///
/// What waits here waits for 10 s at most and then throws std::runtime_error.
class BULLPEN_API TestServer {
public:
    /// Starts the server and returns once it can take clients. TCP addresses in Options::listen get port 0,
    /// and metrics are at 127.0.0.1 and port 0, so that tests can run side by side. Throws std::logic_error
    /// if the process has a second thread, std::runtime_error if the server doesn't start (its sentence is on
    /// stderr), std::system_error.
    explicit TestServer(Server server);

    /// With a server that is made again for each reload (kill(pid(), SIGHUP)), see serve().
    explicit TestServer(const std::function<Server()>& make);

    /// With one pool.
    template <typename Given>
    TestServer(Options options, Given handler)
        : TestServer{std::move(Server{}.add(std::move(options), std::move(handler)))} {}

    /// Stops it, if stop() wasn't called.
    ~TestServer();
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;

    /// Where the pool listens; the first one if it has no name. Throws std::out_of_range.
    [[nodiscard]] const Address& address(std::string_view pool = {}) const;

    [[nodiscard]] const BoundAddresses& bound() const noexcept { return bound_; }

    /// A socket that is connected to it and has SO_RCVTIMEO and SO_SNDTIMEO of 10 s.
    [[nodiscard]] UniqueFd connect(std::string_view pool = {}) const;

    /// Connects, sends the bytes, ends its side (shutdown(2)), and returns all that comes until the server
    /// ends its own. Of a pool of datagrams: sends them as one, and returns the first that comes back.
    [[nodiscard]] std::string ask(std::string_view bytes, std::string_view pool = {}) const;

    /// The sum of the metric's samples, of all pools and labels or of those whose labels contain the text,
    /// as in metric("bullpen_connections_accepted_total", "pool=\"web\""); 0 if there is none.
    [[nodiscard]] double metric(std::string_view name, std::string_view label = {}) const;

    /// What its metrics address answers to GET: the head and the body. As "/readyz".
    [[nodiscard]] std::string ask_metrics(std::string_view path) const;

    /// The process that takes the signals, see serve().
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// Stops it in order and returns what serve() has returned, or 128 + N if signal N has killed it. Later
    /// calls return the same.
    int stop();

    /// The same without telling it to stop.
    int wait();

private:
    void start(const std::function<int(int test)>& serve);
    pid_t pid_ = 0;
    int status_ = -1;
    BoundAddresses bound_;
};

}  // namespace bullpen::testing
