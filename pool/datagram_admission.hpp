/// Which datagrams are served, by lists of networks and a rate for each source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <bullpen/admission_options.hpp>
#include <bullpen/ip_address.hpp>
#include "core/network_set.hpp"
#include "pool/network_lists.hpp"
#include "pool/refusal.hpp"
#include "pool/source_rates.hpp"

namespace bullpen {

/// Made in the keeper; each worker of the pool has a copy, and asks it about each datagram that it has
/// received. Only the rates are shared. Senders by UNIX sockets have no address: nothing applies to them. The
/// source of a UDP datagram may be forged: a list of networks is as good as the network's own filters, and
/// one who forges another's address uses up that one's rate.
class DatagramAdmission {
public:
    /// `listeners` as for Admission. `rates` is the pool's; null if it has no datagrams.
    DatagramAdmission(const AdmissionOptions& options, const std::vector<std::string>& listeners,
                      std::shared_ptr<SourceRates> rates);

    /// Whether any option is set. If not, admit() admits every datagram.
    [[nodiscard]] bool enabled() const noexcept { return enabled_; }

    /// Admits a datagram that came from there to the listener of that index, or returns why not (denied,
    /// rate, banned). `now_ns` is of CLOCK_MONOTONIC. Any thread may call it.
    [[nodiscard]] std::optional<Refusal> admit(const IpAddress& source, std::size_t listener,
                                               std::uint64_t now_ns) const noexcept;

    [[nodiscard]] const std::shared_ptr<SourceRates>& rates() const noexcept { return rates_; }

private:
    [[nodiscard]] IpAddress network_of(const IpAddress& source) const noexcept {
        return source.truncated(source.is_v4() ? prefix_.v4 : prefix_.v6);
    }

    std::vector<NetworkLists> lists_;  ///< By the listener's index.
    NetworkSet trusted_;
    SourcePrefixes prefix_;
    std::optional<SourceRates::Limits> limits_;  ///< Of each source's rate.
    std::shared_ptr<SourceRates> rates_;
    bool enabled_;
};

}  // namespace bullpen
