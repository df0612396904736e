#include "pool/companions.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "core/log.hpp"
#include "core/process.hpp"
#include "core/process_title.hpp"
#include "core/shared_array.hpp"
#include "core/standard_descriptors.hpp"
#include "core/table_fd.hpp"
#include "pool/orders.hpp"
#include "pool/start_pause.hpp"

namespace bullpen {

/// A companion and its current process.
struct Companions::Attendant {
    /// What outlives a master.
    struct Record {
        pid_t pid = 0;
        TableFd lifeline;  ///< The master's end; closing it makes the companion leave.
        TimePoint started{};
        std::optional<TimePoint> stopped_at = {};
    };

    [[nodiscard]] Record& now() noexcept { return record[0]; }
    [[nodiscard]] const Record& now() const noexcept { return record[0]; }

    void dismiss() noexcept {
        now().lifeline.reset();
        now().pid = 0;
        now().stopped_at.reset();
    }

    Companion companion;
    SharedArray<Record> record{1};
    StartPause pause = {};
};

Companions::Companions(std::chrono::milliseconds stopped_timeout) : stopped_timeout_{stopped_timeout} {}

Companions::~Companions() = default;

void Companions::add(Companion companion) {
    attendants_.push_back({.companion = std::move(companion)});
}

void Companions::replace(const Companion& companion) {
    for (Attendant& attendant : attendants_) {
        if (attendant.companion.title != companion.title) continue;
        attendant.companion = companion;
        attendant.dismiss();
    }
}

void Companions::keep_from_children() noexcept {
    for (Attendant& attendant : attendants_)
        attendant.record.keep_from_children();
}

void Companions::adopt(OpenDescriptors& open) noexcept {
    for (Attendant& attendant : attendants_)
        if (TableFd& lifeline = attendant.now().lifeline; lifeline && !open.claim(lifeline.get()))
            lifeline.forget();
}

void Companions::attend(TimePoint now) {
    if (held_) return;
    for (Attendant& attendant : attendants_) {
        Attendant::Record& record = attendant.now();
        if (record.pid == 0 && attendant.pause.is_over(now, false)) spawn(attendant, now);
        if (!record.stopped_at || now - *record.stopped_at < stopped_timeout_) continue;
        record.stopped_at = now;
        log(LogLevel::error, attendant.companion.title +
                                 " process: it is killed, because it was stopped (SIGSTOP, a debugger) for "
                                 "longer than its limit");
        ::kill(record.pid, SIGKILL);
    }
}

TimePoint Companions::prepare_to_wait() const noexcept {
    TimePoint next = TimePoint::max();
    for (const Attendant& attendant : attendants_)
        if (!held_ && attendant.now().pid == 0) next = std::min(next, attendant.pause.end(false));
    return next;
}

void Companions::forgive(std::chrono::nanoseconds gap) noexcept {
    for (Attendant& attendant : attendants_)
        if (attendant.now().stopped_at) *attendant.now().stopped_at += gap;
}

void Companions::spawn(Attendant& attendant, TimePoint now) {
    int ends[2];
    const pid_t keeper = ::getppid();
    Attendant::Record& record = attendant.now();
    record.started = now;
    std::optional<pid_t> pid;
    if (::pipe2(ends, O_CLOEXEC) == 0) {
        const UniqueFd theirs{ends[0]};
        record.lifeline = UniqueFd{ends[1]};
        const auto live = [&] {
            std::vector<int> kept = attendant.companion.keep;
            kept.push_back(theirs.get());
            close_all_except(kept);
            set_process_title("bullpen: " + attendant.companion.title);
            ::signal(SIGTERM, SIG_IGN);
            for (const int signal : terminal_signals)
                ::signal(signal, SIG_IGN);
            ignore_write_signals();
            if (!die_with_parent(SIGKILL, keeper)) return 0;
            unblock_signals();
            return attendant.companion.body(theirs.get());
        };
        pid = spawn_sibling(live, record.pid);
    }
    if (pid) return;
    const int error = errno;
    attendant.pause.note_failure(now, false);
    log(LogLevel::error,
        attendant.companion.title + " process: it cannot be started: " + std::strerror(error));
}

bool Companions::note_child(pid_t pid, int status, TimePoint now) {
    const auto found = std::find_if(attendants_.begin(), attendants_.end(),
                                    [pid](const Attendant& attendant) { return attendant.now().pid == pid; });
    if (found == attendants_.end()) return false;
    if (WIFSTOPPED(status)) {
        found->now().stopped_at = now;
    } else if (WIFCONTINUED(status)) {
        found->now().stopped_at.reset();
    } else {
        constexpr std::chrono::minutes long_life{1};
        found->now().pid = 0;
        found->now().stopped_at.reset();
        if (now - found->now().started >= long_life) found->pause.note_success();
        found->pause.note_failure(now, false);
        log(LogLevel::warning, found->companion.title + " process: it died and is started again");
    }
    return true;
}

void Companions::dismiss() noexcept {
    held_ = true;
    for (Attendant& attendant : attendants_)
        attendant.dismiss();
}

void Companions::end() noexcept {
    constexpr int patience_ms = 1000;
    const SignalsBlocked undisturbed;
    for (Attendant& attendant : attendants_) {
        const pid_t pid = attendant.now().pid;
        // Before it can end, because then the keeper reaps it, and its number may be another process's.
        const UniqueFd process{pid == 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
        attendant.dismiss();
        pollfd exited{.fd = process.get(), .events = POLLIN, .revents = 0};
        if (process && ::poll(&exited, 1, patience_ms) != 1) {
            ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
            ::poll(&exited, 1, patience_ms);
        }
    }
}

}  // namespace bullpen
