/// The upgrade: how this server makes way for a new program that takes its place.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/program_start.hpp"
#include "pool/companions.hpp"
#include "pool/events.hpp"
#include "pool/logbook.hpp"
#include "pool/master_options.hpp"
#include "pool/new_program.hpp"
#include "pool/news.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/order_book.hpp"
#include "pool/passed_listener.hpp"
#include "pool/pools.hpp"

namespace bullpen {

/// The old server's side of an upgrade (see Takeover). Made in the keeper's image. The store of
/// Logbook::successor is the point of no return: from there on this server makes way, whichever of its
/// masters lives.
class Upgrade {
public:
    Upgrade(const MasterOptions& options, Logbook& logbook, Pools& pools, OrderBook& book,
            Companions& companions, const News& news);

    /// A listener that isn't a pool's, for the new program.
    void pass_on(PassedListener listener) { passed_on_.push_back(std::move(listener)); }

    /// Notes how this program was started. Called before the first master.
    void note_program();

    /// Whether a new server has the listeners, with their files.
    [[nodiscard]] bool has_successor() const noexcept { return logbook_.successor != 0; }

    /// See Keeper.
    [[nodiscard]] bool is_watched() const noexcept { return is_watched_; }

    // In a master.

    /// For one whose predecessor died when it was making way: the new server may have been told to go or not.
    /// If it isn't there any more, and this server hasn't made way, it serves on.
    void adopt(OpenDescriptors& open) noexcept;

    /// The same, once the pools go on.
    void go_on(TimePoint now) noexcept;

    void start(Events& events) noexcept;

    [[nodiscard]] std::optional<Outcome> begin(TimePoint now);

    /// Sends the new server the connections that wait for their client. Those for which the channel has no
    /// room now are moved in a later turn, or end as at a stop.
    void move_clients(TimePoint now) noexcept;

    /// One step, until the new program is ready or has failed.
    void attend(TimePoint now);

    /// Ends it, because the server stops.
    void give_up() noexcept;

    /// Notes a report of waitpid(2). Returns false if the pid is another's.
    bool note_child(pid_t pid, int status) { return program_ && program_->note_child(pid, status); }

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) {
        return program_ ? program_->prepare_to_wait(now) : TimePoint::max();
    }

private:
    void settle(const ControlAnswer& answer) noexcept;
    [[nodiscard]] pid_t successors_watcher() const noexcept;
    void give_way(TimePoint now) noexcept;

    const MasterOptions& options_;
    Logbook& logbook_;
    Pools& pools_;
    OrderBook& book_;
    Companions& companions_;
    const News& news_;
    std::vector<PassedListener> passed_on_;
    std::optional<ProgramStart> start_;  ///< Of this program.
    bool is_watched_ = false;
    Events* events_ = nullptr;
    std::unique_ptr<NewProgram> program_;
    UniqueFd channel_;  ///< To the new server, for connections that are moved there.
};

}  // namespace bullpen
