/// The companions: processes beside the workers that the master starts, restarts when they die, and ends last
/// (the exporter).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include "pool/open_descriptors.hpp"

namespace bullpen {

struct Companion {
    std::string title;      ///< Shown by ps as "bullpen: TITLE".
    std::vector<int> keep;  ///< Descriptors it needs, borrowed.
    /// The process's whole life. It must return when `lifeline` becomes readable (end of file), because the
    /// master stops or is dead. SIGTERM and SIGINT are ignored, because they go to the whole process group.
    std::function<int(int lifeline)> body;
};

/// Lives in the master; the processes are the keeper's children, and what is known of them outlives a master.
class Companions {
public:
    /// One that has been stopped (SIGSTOP) for longer than `stopped_timeout` is killed.
    explicit Companions(std::chrono::milliseconds stopped_timeout);
    ~Companions();
    Companions(const Companions&) = delete;
    Companions& operator=(const Companions&) = delete;

    void add(Companion companion);

    /// In the keeper, between two masters: puts it in the place of the one of its title, which leaves.
    void replace(const Companion& companion);

    /// From here on children don't get what is the master's alone.
    void keep_from_children() noexcept;

    /// For a master whose predecessor has died: claims the descriptors.
    void adopt(OpenDescriptors& open) noexcept;

    /// None is started until release().
    void hold() noexcept { held_ = true; }
    void release() noexcept { held_ = false; }

    /// Starts those that aren't there, and kills those that are stopped for too long.
    void attend(TimePoint now);

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait() const noexcept;

    /// Moves deadlines by `gap`, during which the master itself wasn't running.
    void forgive(std::chrono::nanoseconds gap) noexcept;

    /// Notes a report of waitpid(2). Returns false if the pid is none of theirs.
    bool note_child(pid_t pid, int status, TimePoint now);

    /// Tells them to leave, and doesn't wait for it; none is started any more.
    void dismiss() noexcept;

    /// The same, and waits: for a master that ends. The keeper reaps them.
    void end() noexcept;

private:
    struct Attendant;

    void spawn(Attendant& attendant, TimePoint now);

    std::chrono::milliseconds stopped_timeout_;
    std::vector<Attendant> attendants_;
    bool held_ = false;
};

}  // namespace bullpen
