/// A whole server: the master with its pools, and the exporter beside it.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <bullpen/bound_addresses.hpp>
#include "core/listener.hpp"
#include "pool/master.hpp"
#include "servers/published_file.hpp"
#include "servers/settings/master_settings.hpp"

namespace bullpen {

struct ServerOptions : MasterSettings {
    std::vector<PoolOptions> pools;
    bool process_titles = true;                             ///< See Options.
    std::function<void(const BoundAddresses&)> on_ready{};  ///< See Options.

    // How SIGHUP and `bullpen ctl reload` get other options; without them they are refused. Both functions
    // throw std::invalid_argument, or another std::exception, with a sentence.
    /// Returns the text of the new configuration. Called in a child of the master, which may wait.
    std::function<std::string()> read_again{};
    /// Makes options of that text. Called in that child first and then, if nothing is wrong, in the keeper,
    /// which must not wait long: nobody accepts meanwhile.
    std::function<ServerOptions(const std::string& text)> make_again{};
};

/// Construct, look at the addresses, run(). Everything that can fail at the start fails in the constructor,
/// before a process is forked: AddressError, std::system_error or std::runtime_error, each one sentence.
class RunningServer {
public:
    explicit RunningServer(ServerOptions options);

    [[nodiscard]] const std::list<Pool>& pools() const noexcept { return master_.pools(); }

    /// Where the exporter answers; none if metrics are off.
    [[nodiscard]] const std::vector<Listener>& metrics() const noexcept { return metrics_; }

    /// See Master::run().
    int run(const std::function<void()>& ready = [] {});

private:
    [[nodiscard]] BoundAddresses bound() const;
    [[nodiscard]] Configuration configuration_of(ServerOptions options) const;

    ServerOptions started_with_;  ///< Without the pools.
    PublishedFile pid_file_;
    Master master_;  // Before the exporter's listeners, which must not look like the user's own to it.
    std::vector<Listener> metrics_;
    PublishedFile port_file_;
};

}  // namespace bullpen
