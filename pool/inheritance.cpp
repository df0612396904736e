#include "pool/inheritance.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <utility>

#include <bullpen/clock.hpp>
#include "core/parse_number.hpp"
#include "core/start_wait.hpp"
#include "core/urgent_data.hpp"
#include "pool/upgrade_channel.hpp"

namespace bullpen {
namespace {

/// The channel's number, as long as this program has not taken its predecessor's place.
int predecessor = -1;

}  // namespace

int channel_to_predecessor() noexcept {
    if (const char* const number = ::getenv(upgrade_variable)) {
        const int fd = parse_number<int>(number).value_or(-1);
        int domain = 0;
        socklen_t size = sizeof domain;
        const bool is_channel =
            ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
        if (is_channel && ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) predecessor = fd;
        ::unsetenv(upgrade_variable);
    }
    return predecessor;
}

void tell_predecessor(std::string_view why) noexcept {
    if (const int channel = channel_to_predecessor(); channel >= 0)
        (void)send(channel, UpgradeMessage{UpgradeWord::failed, why});
}

Inheritance Inheritance::receive() {
    constexpr std::chrono::seconds patience{10};
    Inheritance inheritance;
    const int channel = channel_to_predecessor();
    if (channel < 0) return inheritance;
    inheritance.channel_ = channel;
    const TimePoint deadline = Clock::now() + patience;
    while (await_input(channel, deadline)) {
        UpgradeMail mail;
        switch (bullpen::receive(channel, mail)) {
            case Received::empty:
            case Received::later: continue;
            case Received::message: break;
            case Received::malformed:
                throw std::runtime_error{
                    "the server that is to be upgraded speaks another version of the "
                    "upgrade's messages than this program, which speaks version " +
                    std::to_string(upgrade_version)};
            default: throw std::runtime_error{"the server that was to be upgraded has ended"};
        }
        if (mail.message.word == UpgradeWord::all_listeners) return inheritance;
        if (mail.message.word == UpgradeWord::listener && mail.descriptors[0])
            inheritance.listeners_.push_back({mail.message.owner(), mail.message.text(),
                                              Listener::adopt_twin(std::move(mail.descriptors[0]))});
    }
    throw std::runtime_error{"the server that is to be upgraded doesn't pass on its listeners"};
}

void Inheritance::forget_channel() noexcept {
    channel_ = predecessor = -1;
}

std::vector<Listener> Inheritance::take(const std::string& owner, const std::string& text,
                                        const ListenOptions& options) {
    const auto is_own = [&](const Inherited& one) { return one.owner == owner && one.text == text; };
    const auto is_like = [&](const Inherited& one) {
        return one.owner.starts_with("pool ") && owner.starts_with("pool ") && one.text == text &&
               one.listener.address().text() == text;
    };
    const bool has_own = std::any_of(listeners_.begin(), listeners_.end(), is_own);
    std::vector<Listener> taken;
    std::vector<Inherited> left;
    for (Inherited& one : listeners_) {
        if (has_own ? !is_own(one) : !is_like(one)) {
            left.push_back(std::move(one));
            continue;
        }
        one.listener.change(options);
        taken.push_back(std::move(one.listener));
    }
    listeners_.swap(left);
    return taken;
}

OpenedListeners Inheritance::open(const PoolOptions& pool) {
    OpenedListeners opened;
    PoolOptions rest = pool;
    rest.listen.clear();
    for (const std::string& text : pool.listen) {
        std::vector<Listener> taken = take("pool " + pool.name, text, pool.listen_options);
        if (taken.empty()) rest.listen.push_back(text);
        for (Listener& listener : taken) {
            set_out_of_band(listener.fd(), pool.oob);
            opened.listeners.push_back(std::move(listener));
            opened.texts.push_back(text);
        }
    }
    if (rest.listen.empty()) return opened;
    OpenedListeners fresh = open_listeners_of(rest);
    for (Listener& listener : fresh.listeners)
        opened.listeners.push_back(std::move(listener));
    opened.texts.insert(opened.texts.end(), fresh.texts.begin(), fresh.texts.end());
    return opened;
}

}  // namespace bullpen
