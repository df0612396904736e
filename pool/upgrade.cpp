#include "pool/upgrade.hpp"

#include <unistd.h>

#include <array>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "core/log.hpp"
#include "pool/keeper.hpp"
#include "pool/upgrade_channel.hpp"

namespace bullpen {
namespace {

constexpr int could_not = 1;  ///< An exit status of `bullpen ctl`.

}  // namespace

Upgrade::Upgrade(const MasterOptions& options, Logbook& logbook, Pools& pools, OrderBook& book,
                 Companions& companions, const News& news)
    : options_{options},
      logbook_{logbook},
      pools_{pools},
      book_{book},
      companions_{companions},
      news_{news} {}

void Upgrade::note_program() {
    start_ = ProgramStart::of_this_process();
    is_watched_ = Keeper::is_watched();
}

void Upgrade::start(Events& events) noexcept {
    events_ = &events;
    if (has_successor()) companions_.hold();
}

std::optional<Outcome> Upgrade::begin(TimePoint now) {
    log(LogLevel::info, "master: starting the program anew, to take over");
    std::vector<PassedListener> listeners = passed_on_;
    for (const Pool* const pool : pools_.live())
        for (const PassedListener& listener : pool->listeners_to_pass_on())
            listeners.push_back(listener);
    try {
        program_ = std::make_unique<NewProgram>(*start_, std::move(listeners), *events_,
                                                now + options_.upgrade_timeout);
    } catch (const std::exception& error) {
        settle({could_not, error.what()});
    }
    return {};
}

void Upgrade::attend(TimePoint now) {
    if (!program_) return;
    if (const std::optional<ControlAnswer> failure = program_->attend(now)) return settle(*failure);
    if (!program_->is_ready()) return;
    logbook_.successor_channel.note(program_->channel());
    logbook_.successor = static_cast<std::uint32_t>(program_->successor());
    if (program_->go(successors_watcher())) {
        channel_ = program_->release_channel();
        give_way(now);
        return settle({0, "the new program (pid " + std::to_string(logbook_.successor.load()) +
                              ") serves; this one ends when it has served what it has accepted"});
    }
    logbook_.successor = 0;
    logbook_.successor_channel.forget();
    settle({could_not, "the new program has ended when it was to take over"});
}

void Upgrade::give_up() noexcept {
    if (program_) settle({could_not, "it is given up, because the server stops"});
}

void Upgrade::settle(const ControlAnswer& answer) noexcept {
    program_.reset();
    log(answer.exit_status == 0 ? LogLevel::info : LogLevel::error,
        "master: upgrade: " + answer.message + (answer.exit_status == 0 ? "" : "; this one serves on"));
    book_.settle_upgrade(answer);
    news_.announce();
}

/// The keeper that takes the end of the service for its own, if there is one.
pid_t Upgrade::successors_watcher() const noexcept {
    return is_watched_ ? ::getppid() : static_cast<pid_t>(logbook_.watcher);
}

void Upgrade::adopt(OpenDescriptors& open) noexcept {
    const int number = logbook_.successor_channel.get();
    logbook_.successor_channel.forget();
    if (!has_successor()) return;  // The channel is a stray.
    const UniqueFd channel{number >= 0 && open.claim(number) ? number : -1};
    if (logbook_.has_made_way != 0 || (channel && tell_to_go(channel.get(), successors_watcher()))) return;
    logbook_.successor = 0;
    log(LogLevel::error,
        "master: upgrade: the new program has ended when it was to take over; this one serves on");
}

void Upgrade::go_on(TimePoint now) noexcept {
    if (!has_successor()) return;
    give_way(now);
    for (Pool* const pool : pools_.live())
        pool->end_moving(now);
}

void Upgrade::give_way(TimePoint now) noexcept {
    if (logbook_.watcher != 0)
        Keeper::name_successor(static_cast<pid_t>(logbook_.watcher), static_cast<pid_t>(logbook_.successor));
    if (logbook_.has_made_way == 0) logbook_.lost_before_stop.store(pools_.lost(), std::memory_order_relaxed);
    for (Pool* const pool : pools_.live())
        pool->give_way(now, now + options_.drain_timeout);
    companions_.dismiss();
    logbook_.has_made_way = 1;
    book_.set_phase(Phase::stopping);
    book_.stop_listening();
}

void Upgrade::move_clients(TimePoint now) noexcept {
    if (!channel_) return;
    Sent last = Sent::sent;
    for (Pool* const pool : pools_.live()) {
        UpgradeMessage message{UpgradeWord::connection, "", "pool " + pool->options().name};
        pool->move_clients([&](const MovedConnection& moved, int socket, int file) {
            if (last != Sent::sent) return false;
            message.connection = moved;
            const std::array<int, 2> descriptors = {socket, file};
            const std::span all = std::span{descriptors}.first(file < 0 ? 1 : 2);
            last = send(channel_.get(), message, all);
            return last == Sent::sent;
        });
    }
    if (last != Sent::closed) return;
    channel_.reset();
    for (Pool* const pool : pools_.live())
        pool->end_moving(now);
}

}  // namespace bullpen
