/// How a connection fails: what is thrown, and what its worker's counts learn of it.
#pragma once

#include <bullpen/connection_error.hpp>
#include <bullpen/time_limits.hpp>

namespace bullpen {

/// Throws on behalf of a connection and remembers it, so that the connection is counted as what it was even
/// where a handler caught the exception.
class ConnectionFailure {
public:
    /// Throws ClientGone if this errno value says that the client has left, else std::system_error.
    [[noreturn]] void fail(int error, const char* what);

    /// Throws TimedOut.
    [[noreturn]] void time_out(Limit limit, const char* what);

    /// For who waits for the client outside of its handler's calls. Throws nothing.
    void set_exceeded(Limit limit) noexcept { exceeded_ = limit; }

    [[nodiscard]] bool client_gone() const noexcept { return client_gone_; }
    [[nodiscard]] Limit exceeded() const noexcept { return exceeded_; }

private:
    bool client_gone_ = false;
    Limit exceeded_ = Limit::none;
};

}  // namespace bullpen
