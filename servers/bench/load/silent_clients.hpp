/// Clients that connect and say nothing.
#pragma once

#include <vector>

#include "core/address.hpp"
#include "core/unique_fd.hpp"

namespace bullpen {

/// They stay connected while the object lives. Those that can't connect at once are left out.
class SilentClients {
public:
    SilentClients(const Address& server, int count);

    [[nodiscard]] int count() const noexcept { return static_cast<int>(sockets_.size()); }

private:
    std::vector<UniqueFd> sockets_;
};

}  // namespace bullpen
