#include "pool/admission.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>

namespace bullpen {
namespace {

NetworkSet networks_for(const std::string& listener, const std::vector<AdmissionRule>& rules) {
    std::vector<Network> networks;
    for (const AdmissionRule& rule : rules)
        if (rule.listener.empty() || rule.listener == listener) networks.push_back(rule.network);
    return NetworkSet{std::move(networks)};
}

void check(const std::vector<AdmissionRule>& rules, const std::vector<std::string>& listeners) {
    for (const AdmissionRule& rule : rules)
        if (!rule.listener.empty() &&
            std::find(listeners.begin(), listeners.end(), rule.listener) == listeners.end())
            throw std::invalid_argument{"a rule for " + rule.network.text() + " is for the listener '" +
                                        rule.listener + "', which the pool doesn't have"};
}

}  // namespace

Admission::Admission(AdmissionOptions options, const std::vector<std::string>& listeners)
    : sources_{std::move(options.sources)},
      early_drop_{options.early_drop},
      enabled_{sources_.enabled() || early_drop_.begin > 0 || !options.allow.empty() ||
               !options.deny.empty()},
      random_{std::random_device{}()} {
    check(options.allow, listeners);
    check(options.deny, listeners);
    for (const std::string& listener : listeners)
        lists_.push_back({networks_for(listener, options.allow), networks_for(listener, options.deny)});
}

std::optional<Refusal> Admission::admit(const Peer& peer, std::size_t listener, int unserved,
                                        TimePoint now) noexcept {
    assert(listener < lists_.size());
    if (!enabled_) return {};
    if (denies(lists_[listener], peer)) return Refusal::denied;
    if (const int percent = drop_percent(early_drop_, unserved); percent > 0) {
        if (sources_.is_banned(peer, now)) return Refusal::banned;
        if (roll_percent() < percent) return Refusal::startups;
    }
    return sources_.admit(peer, now);
}

bool Admission::denies(const Lists& lists, const Peer& peer) const noexcept {
    if (!peer.has_address) return false;
    return lists.deny.contains(peer.address) || (!lists.allow.empty() && !lists.allow.contains(peer.address));
}

/// From 0 to 99.
int Admission::roll_percent() noexcept {
    return std::uniform_int_distribution<int>{0, 99}(random_);
}

}  // namespace bullpen
