#include "servers/services/guarded_datagrams.hpp"

#include <memory>
#include <utility>

#include <bullpen/clock.hpp>
#include "pool/source_limits.hpp"

namespace bullpen {
namespace {

constexpr std::uint16_t nfs_port = 2049;
constexpr std::uint16_t reserved_below = 1024;

/// Of answers that are longer than their questions.
class LongAnswers {
public:
    bool may_go_to(const Address& sender) {
        const TimePoint now = Clock::now();
        if (now - swept_ >= std::chrono::seconds{1}) {
            limits_.sweep(now);
            swept_ = now;
        }
        const Peer peer = Peer::of(sender.data(), sender.size());
        if (limits_.admit(peer, now)) return false;
        limits_.ended(peer);
        return true;
    }

private:
    static constexpr int a_second = 4;
    static constexpr std::size_t sources = 4096;
    SourceLimits limits_{SourceOptions{.rate_max = a_second, .sources_max = sources}};
    TimePoint swept_{};
};

bool is_a_service(const Datagram& datagram) {
    const Address sender = datagram.sender();
    if (sender.family() == AF_UNIX) return false;
    return sender.port() < reserved_below || sender.port() == nfs_port ||
           sender.port() == datagram.came_to().port();
}

}  // namespace

DatagramHandler guarded(DatagramAnswer answer) {
    return [answer = std::move(answer), long_answers = std::make_shared<LongAnswers>()](Datagram& datagram) {
        if (is_a_service(datagram)) return datagram.refuse();
        const std::string text = answer(datagram.text());
        if (text.empty()) return;
        if (text.size() > datagram.bytes().size() && !long_answers->may_go_to(datagram.sender()))
            return datagram.refuse();
        datagram.answer(text);
    };
}

}  // namespace bullpen
