/// The master: one thread that accepts, hands out, counts, forks and buries. It runs no client code, and the
/// keeper replaces it if it dies.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/order_requests.hpp"
#include "core/shared_array.hpp"
#include "pool/companions.hpp"
#include "pool/configuration.hpp"
#include "pool/events.hpp"
#include "pool/image_descriptors.hpp"
#include "pool/inheritance.hpp"
#include "pool/logbook.hpp"
#include "pool/master_options.hpp"
#include "pool/news.hpp"
#include "pool/order_book.hpp"
#include "pool/passed_listener.hpp"
#include "pool/pools.hpp"
#include "pool/reload.hpp"
#include "pool/takeover.hpp"
#include "pool/upgrade.hpp"

namespace bullpen {

/// run()'s result if an order to stop could not be carried out without loss.
constexpr int exit_lost = 3;

/// The constructor opens all listeners, so that a taken port is an error before any process starts. Then
/// comes run(). A process may also construct, fork, and run() in the child, and keep the scoreboards to read.
/// The process that calls run() becomes the keeper (pool/keeper.hpp) and runs a master in a child. A master
/// whose predecessor has died is made from the same objects as the first one and adopts what outlived it; a
/// reload changes these objects between two masters (see Reload).
class Master {
public:
    /// Raises RLIMIT_NOFILE. Throws AddressError, std::system_error or std::runtime_error, each one sentence.
    explicit Master(MasterOptions options);
    ~Master();
    Master(const Master&) = delete;
    Master& operator=(const Master&) = delete;

    /// Those that serve, and those that a reload has removed.
    [[nodiscard]] const std::list<Pool>& pools() const noexcept { return pools_.all(); }

    /// To be called before run().
    void add_companion(Companion companion) { companions_.add(std::move(companion)); }

    /// Lets SIGHUP and `bullpen ctl reload` read the configuration again. `exporter` makes the companion for
    /// the changed pools, which replaces the one of its title; nothing: there is none. Both run in the
    /// keeper. To be called before run().
    void reload_from(ConfigurationSource source, std::function<std::optional<Companion>()> companion) {
        reload_.read_from(std::move(source), std::move(companion));
    }

    /// What the server in whose place this program was started has left, besides the pools' listeners.
    [[nodiscard]] Inheritance& inheritance() noexcept { return takeover_.inheritance(); }

    /// See ImageDescriptors::users().
    [[nodiscard]] const std::vector<int>& inherited() const noexcept { return descriptors_.users(); }

    /// A listener that isn't a pool's, for the next new program. To be called before run().
    void pass_on(PassedListener listener) { upgrade_.pass_on(std::move(listener)); }

    /// After run(): whether a new server has the listeners, with their files.
    [[nodiscard]] bool has_successor() const noexcept { return upgrade_.has_successor(); }

    /// Whether this server has taken another one's place, and has the files of its UNIX sockets.
    [[nodiscard]] bool has_taken_over() const noexcept { return takeover_.is_done(); }

    /// Takes orders from `bullpen ctl`, too. To be called before run().
    void open_control(Control control) { book_.open(std::move(control)); }

    /// Serves until it is told to stop (pool/orders.hpp), then stops in order and returns 0, or exit_lost if
    /// connections were lost in the stop.
    /// The caller's process becomes the keeper. `ready` is called in the master once the first workers have
    /// been forked and nothing can fail any more; if the master dies in that call, the next one makes it
    /// again. Throws std::runtime_error if a resource is lacking, and then before the first worker.
    int run(const std::function<void()>& ready = [] {});

private:
    int serve(const std::function<void()>& ready);
    void adopt(TimePoint now);
    void start(const std::function<void()>& ready);
    [[nodiscard]] bool finished() const noexcept;
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;
    [[nodiscard]] TimePoint note_time(TimePoint expected) noexcept;
    void heed_orders(TimePoint now);
    void heed_requests(const OrderBook::CarryOut& carry_out);
    std::optional<Outcome> carry_out(Order order, std::uint64_t interrupts, TimePoint now);
    void hear_keeper(TimePoint now);
    void look_after_children(const Wakeup& wake, TimePoint now);
    void note_child(pid_t pid, int status, TimePoint now);
    void begin_stop(bool at_once, std::uint64_t interrupts, TimePoint now) noexcept;
    void stop_pools(bool at_once, TimePoint now) noexcept;
    [[nodiscard]] int settle_stop();
    [[nodiscard]] ServerStatus status(TimePoint now);
    [[nodiscard]] Outcome list_connections(TimePoint now);
    [[nodiscard]] ControlAnswer change_size(int processes);

    MasterOptions options_;
    SharedArray<Logbook> logbook_{1};
    OrderRequests requests_;          // Before the descriptors: workers keep them, as they do the user's.
    ImageDescriptors descriptors_;    // Before all that opens others.
    std::unique_ptr<Events> events_;  // Before all that have watches, which it must outlive.
    std::optional<Events::Watch> stop_watch_;  ///< None from the order to stop on.
    std::optional<Events::Watch> reload_watch_;
    Pools pools_;
    OrderBook book_;
    Companions companions_{options_.stopped_timeout};
    Takeover takeover_{logbook_[0], pools_, book_, companions_};
    News news_;
    Reload reload_{{options_, pools_, companions_, descriptors_, takeover_}, book_, news_};
    Upgrade upgrade_{options_, logbook_[0], pools_, book_, companions_, news_};
    TimePoint swept_{};                   ///< When waitid(2) was last called for all children.
    TimePoint opened_at_ = Clock::now();  ///< When the server was made: the start of its uptime.
};

}  // namespace bullpen
