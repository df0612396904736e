/// The new program of an upgrade, as the old server sees it, until it can take its place.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/program_start.hpp"
#include "pool/control_line.hpp"
#include "pool/events.hpp"
#include "pool/passed_listener.hpp"

namespace bullpen {

/// Lives in the master, which never waits for the new program: one that is missing, crashes or hangs ends the
/// upgrade with a sentence, and the old server goes on.
class NewProgram {
public:
    /// Starts the program, as a child of the keeper. Throws std::system_error if the system lacks a resource.
    NewProgram(const ProgramStart& start, std::vector<PassedListener> listeners, Events& events,
               TimePoint deadline);
    ~NewProgram();  ///< Kills the program if it hasn't become the new server.
    NewProgram(const NewProgram&) = delete;
    NewProgram& operator=(const NewProgram&) = delete;

    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now);

    /// Takes what has come. Returns why it has failed, if it has.
    std::optional<ControlAnswer> attend(TimePoint now);

    /// Notes a report of waitpid(2). Returns false if the pid is another's.
    bool note_child(pid_t pid, int status);

    /// Whether the new program is ready: then go() makes it the new server.
    [[nodiscard]] bool is_ready() const noexcept { return successor_ != 0; }
    [[nodiscard]] pid_t successor() const noexcept { return successor_; }

    /// The way to the new program.
    [[nodiscard]] int channel() const noexcept { return channel_.get(); }

    /// Tells the new program to begin, see tell_to_go(). Returns false if it isn't there any more. From here
    /// on the caller owns the channel.
    [[nodiscard]] bool go(pid_t watcher) noexcept;
    [[nodiscard]] UniqueFd release_channel() noexcept;

private:
    void pass_listeners() noexcept;

    UniqueFd channel_;
    std::optional<Events::Watch> watch_;
    std::vector<PassedListener> listeners_;
    std::size_t passed_ = 0;  ///< How many; one more than there are says that these were all.
    pid_t pid_ = 0;
    pid_t successor_ = 0;  ///< The new keeper, once it is ready.
    TimePoint deadline_;
    std::optional<ControlAnswer> failure_;
    bool has_begun_ = false;
};

}  // namespace bullpen
