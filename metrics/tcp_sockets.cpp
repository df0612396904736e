#include "metrics/tcp_sockets.hpp"

#include <netinet/in.h>
#include <prometheus/client_metric.h>

#include <array>
#include <cstddef>
#include <exception>
#include <string>

#include "core/resolve.hpp"
#include "core/socket_diag.hpp"

namespace bullpen {
namespace {

struct Counted {
    std::string pool;
    std::vector<Address> listeners;
    std::array<double, socket_states + 1> by_state{};  ///< The kernel's numbers begin with 1.
};

/// The pools that have TCP listeners. A text of a listener has numbers only, so that nobody is asked.
std::vector<Counted> with_tcp_listeners(const std::vector<PoolView>& pools) {
    std::vector<Counted> all;
    for (const PoolView& pool : pools) {
        Counted one{.pool = pool.name, .listeners = {}};
        for (const std::string& text : pool.listeners) {
            if (text.empty()) continue;
            const Address address = resolve(text).front();
            if (address.family() != AF_UNIX && address.type() == SOCK_STREAM && address.protocol() == 0)
                one.listeners.push_back(address);
        }
        if (!one.listeners.empty()) all.push_back(std::move(one));
    }
    return all;
}

void count(std::vector<Counted>& pools) {
    std::vector<Address> listeners;
    for (const Counted& pool : pools)
        listeners.insert(listeners.end(), pool.listeners.begin(), pool.listeners.end());
    visit_ip_sockets(IPPROTO_TCP, listeners, TcpDetail::none, [&](const SocketRecord& socket) {
        const auto state = static_cast<std::size_t>(socket.state);
        for (Counted& pool : pools)
            for (const Address& listener : pool.listeners)
                if (state < pool.by_state.size() && is_of_listener(socket.local, listener)) {
                    ++pool.by_state[state];
                    return;
                }
    });
}

}  // namespace

std::vector<prometheus::MetricFamily> tcp_sockets(const std::vector<PoolView>& pools) {
    prometheus::MetricFamily family{"bullpen_tcp_sockets",
                                    "Sockets of the pool's TCP listeners by their state; time_wait are those "
                                    "that the server closed first.",
                                    prometheus::MetricType::Gauge,
                                    {}};
    try {
        std::vector<Counted> counted = with_tcp_listeners(pools);
        count(counted);
        for (const Counted& pool : counted)
            for (std::size_t state = 1; state <= socket_states; ++state) {
                prometheus::ClientMetric& sample = family.metric.emplace_back();
                sample.label = {{"pool", pool.pool},
                                {"state", std::string{name_of(static_cast<SocketState>(state))}}};
                sample.gauge.value = pool.by_state[state];
            }
    } catch (const std::exception&) {
        return {};
    }
    if (family.metric.empty()) return {};
    return {std::move(family)};
}

}  // namespace bullpen
