#include "servers/services/guarded_datagrams.hpp"

#include <optional>
#include <string>
#include <utility>

#include <bullpen/clock.hpp>
#include <bullpen/ip_address.hpp>
#include <bullpen/source_options.hpp>

namespace bullpen {
namespace {

constexpr std::uint16_t nfs_port = 2049;
constexpr std::uint16_t reserved_below = 1024;

constexpr std::size_t sources = 4096;

SourceRates::Limits limits() noexcept {
    return SourceRates::Limits{SourceOptions{.rate_max = 4}};
}

bool is_a_service(const Datagram& datagram) {
    const Address sender = datagram.sender();
    if (sender.family() == AF_UNIX) return false;
    return sender.port() < reserved_below || sender.port() == nfs_port ||
           sender.port() == datagram.came_to().port();
}

}  // namespace

LongAnswers::LongAnswers() : rates_{sources} {}

bool LongAnswers::may_go_to(const Address& sender) noexcept {
    const std::optional<IpAddress> address = IpAddress::of(sender.data(), sender.size());
    if (!address) return true;  // A UNIX socket's can't be forged.
    const SourcePrefixes prefix;
    return !rates_.admit(address->truncated(address->is_v4() ? prefix.v4 : prefix.v6), limits(),
                         monotonic_ns());
}

DatagramHandler guarded(DatagramAnswer answer, std::shared_ptr<LongAnswers> long_answers) {
    return [answer = std::move(answer), long_answers = std::move(long_answers)](Datagram& datagram) {
        if (is_a_service(datagram)) return datagram.refuse();
        const std::string text = answer(datagram.text());
        if (text.empty()) return;
        if (text.size() > datagram.bytes().size() && !long_answers->may_go_to(datagram.sender()))
            return datagram.refuse();
        datagram.answer(text);
    };
}

}  // namespace bullpen
