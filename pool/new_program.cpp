#include "pool/new_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "core/channel.hpp"
#include "core/meaningless_signals.hpp"
#include "core/process.hpp"
#include "pool/upgrade_channel.hpp"

namespace bullpen {
namespace {

constexpr int could_not = 1;

/// The new program's process until it is that program.
int become(const ProgramStart& start, int channel) {
    constexpr int not_started = 127;
    ::fcntl(channel, F_SETFD, 0);
    restore_meaningless_signals();
    unblock_signals();
    std::string variable{upgrade_variable};
    variable.append("=").append(std::to_string(channel));
    start.become(variable);
    const std::string why = std::strerror(errno);
    std::string what{"the program"};
    if (!start.arguments.empty()) what = start.arguments.front();
    (void)send(channel, UpgradeMessage{UpgradeWord::failed, what + " cannot be started: " + why});
    return not_started;
}

}  // namespace

NewProgram::NewProgram(const ProgramStart& start, std::vector<PassedListener> listeners, Events& events,
                       TimePoint deadline)
    : listeners_{std::move(listeners)}, deadline_{deadline} {
    ChannelEnds ends = make_channel();
    channel_ = std::move(ends.master);
    watch_.emplace(events.watch(channel_.get()));
    const auto live = [&] { return become(start, ends.worker.get()); };
    if (!spawn_sibling(live, pid_))
        throw std::system_error{errno, std::generic_category(), "cannot start the new program"};
    ends.worker.reset();
    pass_listeners();
}

NewProgram::~NewProgram() {
    if (!has_begun_ && pid_ != 0) ::kill(pid_, SIGKILL);
}

TimePoint NewProgram::prepare_to_wait(TimePoint now) {
    constexpr std::chrono::milliseconds retry{10};
    watch_->arm();
    return passed_ <= listeners_.size() ? std::min(deadline_, now + retry) : deadline_;
}

void NewProgram::pass_listeners() noexcept {
    while (passed_ <= listeners_.size()) {
        const bool all = passed_ == listeners_.size();
        UpgradeMessage message{UpgradeWord::all_listeners};
        if (!all)
            message =
                UpgradeMessage{UpgradeWord::listener, listeners_[passed_].text, listeners_[passed_].owner};
        const std::array<int, 1> socket = {all ? -1 : listeners_[passed_].socket};
        if (send(channel_.get(), message, std::span{socket}.first(all ? 0 : 1)) != Sent::sent) return;
        ++passed_;
    }
}

std::optional<ControlAnswer> NewProgram::attend(TimePoint now) {
    pass_listeners();
    if (watch_->ready()) {
        watch_->clear_ready();
        for (bool more = true; more && !failure_;) {
            UpgradeMail mail;
            switch (receive(channel_.get(), mail)) {
                case Received::message:
                    if (mail.message.word == UpgradeWord::failed)
                        failure_ = ControlAnswer{could_not, "the new program: " + mail.message.text()};
                    if (mail.message.word == UpgradeWord::ready)
                        successor_ = static_cast<pid_t>(mail.message.pid);
                    break;
                case Received::empty:
                case Received::later: more = false; break;
                case Received::malformed:
                    failure_ = ControlAnswer{could_not,
                                             "the new program speaks another version of the "
                                             "upgrade's messages"};
                    break;
                default: failure_ = ControlAnswer{could_not, "the new program has ended before it was ready"};
            }
        }
    }
    if (!failure_ && now >= deadline_)
        failure_ = ControlAnswer{could_not, "the new program isn't ready in time"};
    return failure_;
}

bool NewProgram::note_child(pid_t pid, int status) {
    if (pid != pid_) return false;
    if (WIFSTOPPED(status) || WIFCONTINUED(status)) return true;
    pid_ = 0;
    if (!failure_ && successor_ != pid)
        return true;  // What it has said comes first; then the channel's end says that it has ended.
    if (!failure_) failure_ = ControlAnswer{could_not, "the new program " + describe_end(status)};
    return true;
}

bool NewProgram::go(pid_t watcher) noexcept {
    if (failure_ || !tell_to_go(channel_.get(), watcher)) return false;
    has_begun_ = true;
    return true;
}

UniqueFd NewProgram::release_channel() noexcept {
    watch_.reset();
    return std::move(channel_);
}

}  // namespace bullpen
