#include "servers/settings/admission_settings.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "servers/settings/nearest.hpp"
#include "servers/settings/setting_place.hpp"

namespace bullpen {
namespace {

constexpr std::string_view unix_prefix = "unix:";

/// Reads settings and says of what is wrong which one it is.
class Reader : public SettingPlace {
public:
    Reader(const PoolSettings& settings, std::string_view place, std::string (*spell)(std::string_view))
        : SettingPlace{place, spell}, settings_{settings} {}

    /// What `parse` makes of a text.
    template <typename Parse>
    auto parsed(std::string_view key, std::string_view text, Parse parse) const {
        try {
            return parse(text);
        } catch (const std::invalid_argument& error) {
            reject(spelled(key) + ": " + error.what());
        }
    }

    [[nodiscard]] std::vector<Network> networks(std::string_view key,
                                                const std::vector<std::string>& texts) const {
        std::vector<Network> networks;
        for (const std::string& text : texts)
            networks.push_back(parsed(key, text, Network::parse));
        return networks;
    }

    /// Each "CIDR", or "CIDR@ADDR" for one listener.
    [[nodiscard]] std::vector<AdmissionRule> rules(std::string_view key,
                                                   const std::vector<std::string>& texts) const {
        std::vector<AdmissionRule> rules;
        for (const std::string& text : texts) {
            const auto at = text.find('@');
            rules.push_back({parsed(key, std::string_view{text}.substr(0, at), Network::parse)});
            if (at != std::string::npos) rules.back().listener = listener(key, text.substr(at + 1));
        }
        return rules;
    }

private:
    [[nodiscard]] std::string listener(std::string_view key, const std::string& written) const {
        const std::vector<std::string>& known = settings_.listen;
        if (std::find(known.begin(), known.end(), written) == known.end())
            reject(spelled(key) + ": " + no_such("listener", written, {known.begin(), known.end()}));
        if (written.starts_with(unix_prefix))
            reject(spelled(key) + ": the clients of " + written +
                   " have no address; expected a TCP listener after the @");
        return written;
    }

    const PoolSettings& settings_;
};

/// "32:64": for IPv4 and IPv6.
std::pair<int, int> parse_prefixes(std::string_view text) {
    std::pair<int, int> prefixes{-1, -1};
    const char* const last = text.data() + text.size();
    const auto v4 = std::from_chars(text.data(), last, prefixes.first);
    if (v4.ec == std::errc{} && v4.ptr != last && *v4.ptr == ':') {
        const auto v6 = std::from_chars(v4.ptr + 1, last, prefixes.second);
        const bool in_range =
            prefixes.first >= 1 && prefixes.first <= 32 && prefixes.second >= 1 && prefixes.second <= 128;
        if (v6.ec == std::errc{} && v6.ptr == last && in_range) return prefixes;
    }
    throw std::invalid_argument{"'" + std::string{text} +
                                "' is no V4:V6; expected two prefixes, from 1 to 32 bits for IPv4 and from 1 "
                                "to 128 for IPv6, as in 32:64"};
}

/// The first key with another value than its default.
std::string_view key_in_use(const PoolSettings& settings) {
    const PoolSettings off;
    const std::pair<std::string_view, bool> keys[] = {
        {"allow", settings.allow != off.allow},
        {"deny", settings.deny != off.deny},
        {"trusted_proxies", settings.trusted_proxies != off.trusted_proxies},
        {"source_connections", settings.source_connections != off.source_connections},
        {"source_rate", settings.source_rate != off.source_rate},
        {"source_prefix", settings.source_prefix != off.source_prefix},
        {"source_ban", settings.source_ban != off.source_ban},
        {"source_ban_after", settings.source_ban_after != off.source_ban_after},
        {"startups", settings.startups != off.startups},
    };
    for (const auto& [key, in_use] : keys)
        if (in_use) return key;
    return {};
}

}  // namespace

AdmissionOptions make_admission(const PoolSettings& settings, const Model& model, std::string_view place,
                                std::string (*spell)(std::string_view key)) {
    const Reader reader{settings, place, spell};
    const std::string_view in_use = key_in_use(settings);
    if (!in_use.empty()) reader.require_accepting_master(in_use, model);
    if (settings.source_ban > 0 && settings.source_connections == 0 && settings.source_rate == 0)
        reader.reject(reader.spelled("source_ban") + " needs " + reader.spelled("source_connections") +
                      " or " + reader.spelled("source_rate") + ", whose refusals it counts");

    for (const auto& [key, value] :
         {std::pair<std::string_view, int>{"source_connections", settings.source_connections},
          {"source_rate", settings.source_rate}})
        if (value > 0 && model.multiplexes)
            reader.reject(reader.spelled(key) +
                          " needs a model whose workers serve one client at a time, not " +
                          std::string{model.name} + ": the master can't tell which of them has ended");

    AdmissionOptions admission;
    admission.allow = reader.rules("allow", settings.allow);
    admission.deny = reader.rules("deny", settings.deny);
    admission.early_drop = reader.parsed("startups", settings.startups, EarlyDrop::parse);
    SourceOptions& sources = admission.sources;
    sources.connections_max = settings.source_connections;
    sources.rate_max = settings.source_rate;
    sources.ban = std::chrono::seconds{settings.source_ban};
    sources.ban_after = settings.source_ban_after;
    sources.trusted = reader.networks("trusted_proxies", settings.trusted_proxies);
    const auto [v4, v6] = reader.parsed("source_prefix", settings.source_prefix, parse_prefixes);
    sources.prefix_v4 = v4;
    sources.prefix_v6 = v6;
    return admission;
}

}  // namespace bullpen
