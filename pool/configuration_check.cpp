#include "pool/configuration_check.hpp"

#include <poll.h>
#include <signal.h>

#include <array>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <system_error>

#include "core/channel.hpp"
#include "core/process.hpp"
#include "core/process_title.hpp"
#include "pool/orders.hpp"

namespace bullpen {
namespace {

constexpr int could_not = 1;
constexpr int wrong = 2;

/// In the child, which may wait.
bool send(int channel, const Message& message, std::span<const int> descriptors) noexcept {
    constexpr int pause_ms = 10;  // The user may have too many descriptors in flight.
    for (;;) {
        const Sent sent = send_message(channel, message, descriptors);
        if (sent != Sent::would_block) return sent == Sent::sent;
        pollfd writable{.fd = channel, .events = POLLOUT, .revents = 0};
        ::poll(&writable, 1, pause_ms);
        ::poll(nullptr, 0, pause_ms);
    }
}

}  // namespace

ConfigurationCheck::ConfigurationCheck(const ConfigurationSource& source,
                                       const std::vector<PresentPool>& present, SharedArray<ReloadNote>& note,
                                       Events& events, TimePoint deadline)
    : said_{note[0].said()}, deadline_{deadline} {
    ChannelEnds ends = make_channel();
    channel_ = std::move(ends.master);
    watch_.emplace(events.watch(channel_.get()));
    const pid_t master = ::getpid();
    const auto live = [&] {
        const std::array<int, 1> kept = {ends.worker.get()};
        close_all_except(kept);
        set_process_title("bullpen: configuration check");
        for (const int signal : order_signals)
            ::signal(signal, SIG_IGN);
        if (!die_with_parent(SIGKILL, master)) return could_not;
        unblock_signals();
        return check(ends.worker.get(), source, present);
    };
    note.give_to_children();
    const std::optional<pid_t> pid = spawn_child(live);
    const int error = errno;
    note.keep_from_children();
    if (!pid) throw std::system_error{error, std::generic_category(), "cannot check the configuration"};
    pid_ = *pid;
}

ConfigurationCheck::~ConfigurationCheck() {
    if (!over_) ::kill(pid_, SIGKILL);
}

TimePoint ConfigurationCheck::prepare_to_wait() {
    watch_->arm();
    return deadline_;
}

/// The child's life. What it has opened stays open in the master.
int ConfigurationCheck::check(int channel, const ConfigurationSource& source,
                              const std::vector<PresentPool>& present) {
    int status = 0;
    try {
        const std::string text = source.read();
        if (text.size() > ReloadNote::text_max)
            throw std::invalid_argument{"the configuration has " + std::to_string(text.size()) +
                                        " bytes; at most " + std::to_string(ReloadNote::text_max) +
                                        " are possible"};
        const Configuration wanted = source.make(text);
        check_change(present, wanted);
        for (std::uint32_t pool = 0; pool < wanted.pools.size(); ++pool)
            open_new(wanted, pool, present, channel);
        said_.say(text);
    } catch (const std::invalid_argument& error) {
        status = wrong;
        said_.say(error.what());
    } catch (const std::exception& error) {
        status = could_not;
        said_.say(error.what());
    }
    if (status != 0) opened_.clear();  // With the files of UNIX sockets.
    const Message verdict{.kind = MessageKind::answer, .handoff = static_cast<std::uint64_t>(status)};
    return send(channel, verdict, {}) ? 0 : could_not;
}

void ConfigurationCheck::open_new(const Configuration& wanted, std::uint32_t index,
                                  const std::vector<PresentPool>& present, int channel) {
    const PoolOptions& pool = wanted.pools[index];
    for (std::uint32_t text = 0; text < pool.listen.size(); ++text) {
        if (holder_of(present, wanted, pool, pool.listen[text]) != nullptr) continue;
        PoolOptions one = pool;
        one.listen = {pool.listen[text]};
        for (Listener& listener : open_listeners_of(one).listeners) {
            if (opened_.size() == ReloadNote::listeners_most)
                throw std::invalid_argument{"a reload can add " + std::to_string(ReloadNote::listeners_most) +
                                            " listeners at most"};
            opened_.push_back(std::move(listener));
            const std::array<int, 1> descriptor = {opened_.back().fd()};
            const Message message{.kind = MessageKind::file, .handoff = index, .listener = text};
            if (!send(channel, message, descriptor))
                throw std::runtime_error{"the master doesn't take the listener " + pool.listen[text]};
        }
    }
}

std::optional<CheckResult> ConfigurationCheck::attend(TimePoint now) {
    if (over_) return {};
    if (watch_->ready()) {
        watch_->clear_ready();
        if (take_messages()) return result();
    }
    if (now < deadline_) return {};
    return fail(
        {could_not, "checking the configuration takes too long: a name server or a file doesn't answer"});
}

/// Returns whether the child's verdict has come, or can't come any more.
bool ConfigurationCheck::take_messages() {
    for (;;) {
        Envelope envelope;
        switch (receive_message(channel_.get(), envelope, Wait::never)) {
            case Received::empty:
            case Received::later: return false;
            case Received::message: break;
            default: return true;
        }
        const Message& message = envelope.message();
        if (message.kind == MessageKind::answer) {
            verdict_ = static_cast<int>(message.handoff);
            return true;
        }
        if (!envelope.descriptors[0] || came_.size() == ReloadNote::listeners_most) return true;
        came_.push_back({.listener = std::move(envelope.descriptors[0]),
                         .pool = static_cast<std::uint32_t>(message.handoff),
                         .text = message.listener});
    }
}

CheckResult ConfigurationCheck::result() {
    if (!verdict_) return fail({could_not, "the process that checked the configuration has died"});
    if (*verdict_ != 0) return fail({*verdict_, said_.text()});
    over_ = true;
    return {.answer = {}, .listeners = std::move(came_)};
}

/// The files of UNIX sockets go with their listeners.
CheckResult ConfigurationCheck::fail(ControlAnswer why) noexcept {
    if (!verdict_) ::kill(pid_, SIGKILL);
    over_ = true;
    for (NewListener<UniqueFd>& one : came_)
        Listener::adopt(std::move(one.listener)).close();
    came_.clear();
    return {.answer = std::move(why)};
}

}  // namespace bullpen
