/// A listener's lists of networks: whose clients get in.
#pragma once

#include <string>

#include <bullpen/admission_options.hpp>
#include "core/network_set.hpp"

namespace bullpen {

struct NetworkLists {
    NetworkSet allow;
    NetworkSet deny;

    /// The rules that are for the listener of this text in Options::listen.
    static NetworkLists of(const std::string& listener, const AdmissionOptions& options);

    [[nodiscard]] bool exclude(const IpAddress& address) const noexcept {
        return deny.contains(address) || (!allow.empty() && !allow.contains(address));
    }
};

}  // namespace bullpen
