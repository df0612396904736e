/// Clients that connect, say little and then nothing more.
#pragma once

#include <string_view>
#include <vector>

#include <bullpen/address.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// They stay connected while the object lives. Clients that can't connect at once are left out.
class SilentClients {
public:
    /// Each sends `first`.
    SilentClients(const Address& server, int count, std::string_view first);

    [[nodiscard]] int count() const noexcept { return static_cast<int>(sockets_.size()); }

private:
    std::vector<UniqueFd> sockets_;
};

}  // namespace bullpen
