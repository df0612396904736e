#include "pool/network_lists.hpp"

#include <utility>
#include <vector>

namespace bullpen {
namespace {

NetworkSet networks_for(const std::string& listener, const std::vector<AdmissionRule>& rules) {
    std::vector<Network> networks;
    for (const AdmissionRule& rule : rules)
        if (rule.listener.empty() || rule.listener == listener) networks.push_back(rule.network);
    return NetworkSet{std::move(networks)};
}

}  // namespace

NetworkLists NetworkLists::of(const std::string& listener, const AdmissionOptions& options) {
    return {networks_for(listener, options.allow), networks_for(listener, options.deny)};
}

}  // namespace bullpen
