#include "pool/admission.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <utility>

namespace bullpen {
namespace {

std::vector<id_t> ids_for(const std::string& listener, const std::vector<LocalRule>& rules) {
    std::vector<id_t> ids;
    for (const LocalRule& rule : rules)
        if (rule.listener.empty() || rule.listener == listener) ids.push_back(rule.id);
    return ids;
}

std::string text_of(const AdmissionRule& rule) {
    return rule.network.text();
}
std::string text_of(const LocalRule& rule) {
    return std::to_string(rule.id);
}

template <typename Rule>
void check(const std::vector<Rule>& rules, const std::vector<std::string>& listeners) {
    for (const Rule& rule : rules)
        if (!rule.listener.empty() &&
            std::find(listeners.begin(), listeners.end(), rule.listener) == listeners.end())
            throw std::invalid_argument{"a rule for " + text_of(rule) + " is for the listener '" +
                                        rule.listener + "', which the pool doesn't have"};
}

}  // namespace

Admission::Admission(AdmissionOptions options, const std::vector<std::string>& listeners)
    : sources_{std::move(options.sources)},
      early_drop_{options.early_drop},
      enabled_{sources_.enabled() || early_drop_.begin > 0 || !options.allow.empty() ||
               !options.deny.empty() || !options.allow_uid.empty() || !options.allow_gid.empty()},
      random_{std::random_device{}()} {
    check(options.allow, listeners);
    check(options.deny, listeners);
    check(options.allow_uid, listeners);
    check(options.allow_gid, listeners);
    for (const std::string& listener : listeners)
        lists_.push_back({NetworkLists::of(listener, options),
                          {ids_for(listener, options.allow_uid), ids_for(listener, options.allow_gid)}});
}

std::optional<Refusal> Admission::admit(int socket, const Peer& peer, std::size_t listener, int unserved,
                                        TimePoint now) noexcept {
    assert(listener < lists_.size());
    if (!enabled_) return {};
    if (denies(lists_[listener], socket, peer)) return Refusal::denied;
    if (const int percent = drop_percent(early_drop_, unserved); percent > 0) {
        if (sources_.is_banned(peer, now)) return Refusal::banned;
        if (roll_percent() < percent) return Refusal::startups;
    }
    return sources_.admit(peer, now);
}

bool Admission::denies(const Lists& lists, int socket, const Peer& peer) const noexcept {
    if (!peer.has_address) return lists.local.restrict() && !lists.local.admit(socket);
    return lists.networks.exclude(peer.address);
}

/// From 0 to 99.
int Admission::roll_percent() noexcept {
    return std::uniform_int_distribution<int>{0, 99}(random_);
}

}  // namespace bullpen
