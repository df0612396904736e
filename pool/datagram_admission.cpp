#include "pool/datagram_admission.hpp"

#include <utility>

namespace bullpen {

DatagramAdmission::DatagramAdmission(const AdmissionOptions& options,
                                     const std::vector<std::string>& listeners,
                                     std::shared_ptr<SourceRates> rates)
    : trusted_{options.sources.trusted},
      prefix_{options.sources.prefix},
      rates_{std::move(rates)},
      enabled_{rates_ != nullptr &&
               (options.sources.rate_max > 0 || !options.allow.empty() || !options.deny.empty())} {
    if (!enabled_) return;
    if (options.sources.rate_max > 0) limits_.emplace(options.sources);
    for (const std::string& listener : listeners)
        lists_.push_back(NetworkLists::of(listener, options));
}

std::optional<Refusal> DatagramAdmission::admit(const IpAddress& source, std::size_t listener,
                                                std::uint64_t now_ns) const noexcept {
    if (!enabled_) return {};
    if (lists_[listener].exclude(source)) return Refusal::denied;
    if (!limits_ || trusted_.contains(source)) return {};
    return rates_->admit(network_of(source), *limits_, now_ns);
}

}  // namespace bullpen
