/// Clients that had an answer once and keep their connection, silently.
#pragma once

#include <functional>
#include <vector>

#include <bullpen/unique_fd.hpp>
#include "servers/bench/load/load.hpp"

namespace bullpen {

/// They stay connected while the object lives.
class IdleClients {
public:
    /// Connects `count` of them, and makes each ask the first class's request, some at a time. Those without
    /// an answer when request_timeout is over, counted for all together, are left out; so are all that follow
    /// when a whole lot of them fails or `keep_going` says no.
    IdleClients(const LoadOptions& options, long count, const std::function<bool()>& keep_going);

    /// How many were answered.
    [[nodiscard]] long count() const noexcept { return static_cast<long>(sockets_.size()); }

    /// How many the server has neither closed nor sent anything since.
    [[nodiscard]] long undisturbed() const noexcept;

private:
    std::vector<UniqueFd> sockets_;
};

}  // namespace bullpen
