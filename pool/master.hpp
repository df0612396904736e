/// The master: one thread that accepts, hands out, counts, forks and buries. It runs no client code, and the
/// keeper replaces it if it dies.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <bullpen/unique_fd.hpp>
#include "core/order_requests.hpp"
#include "core/program_start.hpp"
#include "core/shared_array.hpp"
#include "pool/companions.hpp"
#include "pool/configuration.hpp"
#include "pool/configuration_check.hpp"
#include "pool/events.hpp"
#include "pool/inheritance.hpp"
#include "pool/logbook.hpp"
#include "pool/order_book.hpp"
#include "pool/pool.hpp"
#include "pool/reload_note.hpp"
#include "pool/upgrade.hpp"

namespace bullpen {

struct MasterOptions {
    std::string name = "default";  ///< For the status, as is
    std::string version{};         ///< the program's version.
    std::vector<PoolOptions> pools;
    std::chrono::seconds drain_timeout{30};           ///< An orderly stop takes no longer than this.
    std::chrono::milliseconds check_timeout{10'000};  ///< For the check of a new configuration.
    /// A companion that has been stopped (SIGSTOP) for longer than this is killed and replaced. Time in which
    /// the master itself wasn't running doesn't count.
    std::chrono::milliseconds stopped_timeout{10'000};
    std::chrono::milliseconds master_timeout{10'000};   ///< See Options.
    std::chrono::milliseconds upgrade_timeout{60'000};  ///< For a new program to become ready.
    bool process_titles = true;                         ///< See Options.
};

/// run()'s result if an order to stop could not be carried out without loss.
constexpr int exit_lost = 3;

/// The constructor opens all listeners, so that a taken port is an error before any process starts. Then
/// comes run(). A process may also construct, fork, and run() in the child, and keep the scoreboards to read.
/// The process that calls run() becomes the keeper (pool/keeper.hpp) and runs a master in a child. A master
/// whose predecessor has died is made from the same objects as the first one and adopts what outlived it.
///
/// A reload is a change of these objects between two masters. The master has a child check the new
/// configuration and open its listeners (ConfigurationCheck); then it makes room, which is as if it had died
/// between two turns. The keeper changes the objects, all or nothing, and the next master adopts what is
/// there, ends what leaves, starts what is new and replaces workers a few at a time. ReloadNote says how far
/// it is: a kill at any point leaves the old configuration or the new one, and loses nobody.
class Master {
public:
    /// Raises RLIMIT_NOFILE. Throws AddressError, std::system_error or std::runtime_error, each one sentence.
    explicit Master(MasterOptions options);
    ~Master();
    Master(const Master&) = delete;
    Master& operator=(const Master&) = delete;

    /// Those that serve, and those that a reload has removed.
    [[nodiscard]] const std::list<Pool>& pools() const noexcept { return pools_; }

    /// To be called before run().
    void add_companion(Companion companion);

    /// Lets SIGHUP and `bullpen ctl reload` read the configuration again. `exporter` makes the companion for
    /// the changed pools, which replaces the one of its title; nothing: there is none. Both run in the
    /// keeper. To be called before run().
    void reload_from(ConfigurationSource source, std::function<std::optional<Companion>()> companion);

    /// What the server in whose place this program was started has left, besides the pools' listeners.
    [[nodiscard]] Inheritance& inheritance() noexcept { return inheritance_; }

    /// Descriptors that were open at construction: the user's, which workers keep.
    [[nodiscard]] const std::vector<int>& inherited() const noexcept { return inherited_; }

    /// A listener that isn't a pool's, for the next new program. To be called before run().
    void pass_on(PassedListener listener) { passed_on_.push_back(std::move(listener)); }

    /// After run(): whether a new server has the listeners, with their files.
    [[nodiscard]] bool has_successor() const noexcept { return logbook_[0].successor != 0; }

    /// Whether this server has taken another one's place, and has the files of its UNIX sockets.
    [[nodiscard]] bool has_taken_over() const noexcept { return logbook_[0].has_taken_over != 0; }

    /// Takes orders from `bullpen ctl`, too. To be called before run().
    void open_control(Control control) { book_.open(std::move(control)); }

    /// Serves until it is told to stop (pool/orders.hpp), then stops in order and returns 0, or exit_lost if
    /// connections were lost in the stop.
    /// The caller's process becomes the keeper. `ready` is called in the master once the first workers have
    /// been forked and nothing can fail any more. Throws std::runtime_error if a resource is lacking, and
    /// then before the first worker.
    int run(const std::function<void()>& ready = [] {});

private:
    int serve(const std::function<void()>& ready);
    void adopt(TimePoint now);
    void start();
    [[nodiscard]] bool finished() const noexcept;
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now) noexcept;
    [[nodiscard]] TimePoint note_time(TimePoint expected) noexcept;
    void heed_orders(TimePoint now);
    void heed_requests(const OrderBook::CarryOut& carry_out);
    std::optional<Outcome> carry_out(Order order, std::uint64_t interrupts, TimePoint now);
    [[nodiscard]] std::optional<Outcome> begin_reload(TimePoint now);
    void begin_check(TimePoint now);
    void continue_reload(TimePoint now);
    void make_room(std::vector<NewSocket> sockets) noexcept;
    void settle_reload(const ControlAnswer& answer) noexcept;
    void publish_reload() noexcept;
    void put_into_effect();
    void change_pools();
    void note_finished_pools() noexcept;
    [[nodiscard]] std::optional<Outcome> begin_upgrade(TimePoint now);
    void continue_upgrade(TimePoint now);
    void settle_upgrade(const ControlAnswer& answer) noexcept;
    [[nodiscard]] pid_t successors_watcher() const noexcept;
    void adopt_successor(OpenDescriptors& open) noexcept;
    void give_way(TimePoint now) noexcept;
    void move_clients(TimePoint now) noexcept;
    void attend_predecessor(TimePoint now);
    void take_over(TimePoint now);
    [[nodiscard]] bool is_held() const noexcept {
        return inheritance_.has_predecessor() && !has_taken_over();
    }
    void hear_keeper(TimePoint now);
    void look_after_children(const Wakeup& wake, TimePoint now);
    void note_child(pid_t pid, int status, TimePoint now);
    void begin_stop(bool at_once, std::uint64_t interrupts, TimePoint now) noexcept;
    void stop_pools(bool at_once, TimePoint now) noexcept;
    [[nodiscard]] int settle_stop();
    [[nodiscard]] ServerStatus status(TimePoint now);
    [[nodiscard]] ControlAnswer change_size(int processes);
    [[nodiscard]] bool is_stopping() const noexcept { return book_.phase() == Phase::stopping; }
    [[nodiscard]] std::uint64_t lost_in_all() noexcept;

    MasterOptions options_;
    SharedArray<Logbook> logbook_{1};
    SharedArray<ReloadNote> reload_{1};
    UniqueFd news_;  ///< An eventfd by which the keeper wakes the master.
    OrderRequests requests_;
    std::vector<int> opened_before_;     ///< What was open before the first master.
    std::optional<ProgramStart> start_;  ///< Of this program.
    bool is_watched_ = false;            ///< See Keeper.
    std::vector<int> inherited_;  ///< Descriptors open at construction: the user's, which workers keep.
    Inheritance inheritance_;
    std::unique_ptr<Events> events_;  // Before the pools, whose watches it must outlive.
    std::optional<Events::Watch> news_watch_;
    std::optional<Events::Watch> stop_watch_;  ///< None from the order to stop on.
    std::optional<Events::Watch> reload_watch_;
    OrderBook book_;           // After the events, too.
    std::list<Pool> pools_;    // A list, because pools never move: their parts refer to each other.
    std::vector<Pool*> live_;  ///< Those that haven't finished.
    Companions companions_{options_.stopped_timeout};
    ConfigurationSource source_;
    std::function<std::optional<Companion>()> new_companion_;
    std::unique_ptr<ConfigurationCheck> check_;
    bool makes_room_ = false;
    std::vector<PassedListener> passed_on_;
    std::unique_ptr<Upgrade> upgrade_;
    UniqueFd successor_channel_;  ///< In an old server: for clients that are moved to the new one.
    std::optional<Events::Watch> predecessor_watch_;
    bool has_said_ready_ = false;
    std::function<void()> ready_;
    TimePoint swept_{};                   ///< When waitid(2) was last called for all children.
    TimePoint opened_at_ = Clock::now();  ///< When the server was made: the start of its uptime.
};

}  // namespace bullpen
