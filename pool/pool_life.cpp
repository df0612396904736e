#include "pool/pool.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/lingering.hpp"
#include "core/log.hpp"

namespace bullpen {
namespace {

PoolOptions checked(PoolOptions options) {
    options.limits = limits_for(options.design, options.limits);
    return options;
}

/// A reload may set a rate later.
std::shared_ptr<SourceRates> source_rates_for(const PoolOptions& options) {
    if (options.design.form != Form::datagram) return nullptr;
    return std::make_shared<SourceRates>(options.admission.sources.sources_max);
}

}  // namespace

// Birth, and taking over from a master that has died.

Pool::Pool(PoolOptions options, std::chrono::seconds drain_timeout)
    : Pool{options, open_listeners_of(options), drain_timeout} {}

Pool::Pool(PoolOptions options, OpenedListeners opened, std::chrono::seconds drain_timeout)
    : options_{checked(std::move(options))},
      shape_{shape_of(options_)},
      listener_texts_{std::move(opened.texts)},
      admission_{options_.admission, listener_texts_},
      datagram_admission_{options_.admission, listener_texts_, source_rates_for(options_)},
      scoreboard_{shape_.slots, shape_.pick == Pick::never ? 0 : static_cast<std::uint32_t>(shape_.depth),
                  static_cast<std::uint32_t>(options_.metrics_kib)},
      wake_up_{scoreboard_.header()},
      connections_{scoreboard_, admission_, options_.refusal},
      door_{options_.name, std::move(opened.listeners), options_.accept_pause, connections_, admission_},
      lobby_{options_, connections_, scoreboard_},
      roster_{options_, shape_, scoreboard_},
      workforce_{options_,
                 shape_,
                 scoreboard_,
                 connections_,
                 roster_,
                 {.listeners = &door_.listeners(),
                  .admission = &datagram_admission_,
                  .wake = wake_up_.fd(),
                  .drain_timeout = drain_timeout}},
      recalls_{options_, shape_, scoreboard_, roster_, workforce_},
      handoffs_{options_, shape_, scoreboard_, connections_, lobby_, roster_, workforce_, recalls_},
      sizer_{options_},
      renewer_{options_, shape_, workforce_},
      size_{options_, shape_},
      shutdown_{options_.stop_settle},
      gauges_{options_, shape_, scoreboard_} {
    scoreboard_.header().listeners = static_cast<std::uint32_t>(listeners().size());
}

DescriptorNeeds Pool::descriptor_needs(const PoolOptions& options) const {
    const int workers = options.limits.workers_max + options.reserve * options.threads;
    const auto peers = static_cast<std::size_t>(options.connected);
    const std::size_t of_peers = peers > 0 ? peers + 1 : 0;  // A worker waits for them by an epoll.
    return {.pool = options.name,
            .slots = std::min<std::size_t>(shape_.slots, static_cast<std::size_t>(workers)),
            .listeners = listeners().size(),
            .hands_off = shape_.hands_off(),
            .own_listeners = options.design.own_listeners,
            .of_a_connection = shape_.parks && options.parks_files ? 2U : 1U,
            .connections_max = options.connections_max,
            .connections_of_a_process = shape_.slots_of_a_process * (shape_.capacity + of_peers),
            .process_grows_by = options.connected > 0        ? "connected"
                                : shape_.sizes_itself        ? "workers"
                                : options.design.multiplexes ? "capacity"
                                                             : "threads"};
}

void Pool::start(Events& events, std::vector<int> kept, TimePoint now) {
    scoreboard_.keep_from_children();
    connections_.keep_from_children();
    workforce_.keep_from_children();
    roster_.keep_from_children();
    door_.keep_from_children();
    stop_.keep_from_children();
    size_.keep_from_children();
    sources_left_.keep_from_children();
    sources_left_count_.keep_from_children();
    wake_up_.watch_by(events);
    door_.limit_rate(options_.starts_a_minute);
    workforce_.keep(std::move(kept));
    if (options_.design.master_accepts()) {
        door_.watch_by(events, now);
        lobby_.watch_by(events);
    } else if (options_.design.receives_one) {
        door_.watch_by(events, now);
    } else {
        door_.accept_in_workers(options_.design.multiplexes);
    }
    sizer_.begin(now);
    gauges_.begin(now);
    gauges_.publish_limits();
    renewer_.begin(now);
}

void Pool::adopt(OpenDescriptors& open, TimePoint now) {
    scoreboard_.roll_back();
    size_.adopt();
    door_.adopt(open);
    connections_.adopt(open);
    take_over_sources();
    workforce_.adopt(open, now);
    if (options_.design.master_accepts()) adopt_accounts(now);
}

/// Puts each given connection into its slot's account, in the order given.
void Pool::adopt_accounts(TimePoint now) {
    std::vector<std::vector<SlotAccount::Given>> given(slots());
    connections_.for_each(Where::given, [&](Place client, const ConnectionEntry& entry) {
        given[entry.slot].push_back({client, entry.handoff});
    });
    for (std::uint32_t slot = 0; slot < slots(); ++slot) {
        std::sort(given[slot].begin(), given[slot].end(),
                  [](const auto& a, const auto& b) { return a.handoff < b.handoff; });
        roster_.adopt(slot, given[slot], now);
    }
}

void Pool::go_on(std::vector<UniqueFd>& strays, TimePoint now) {
    const StopNote stop = stop_[0];
    if (options_.design.master_accepts()) {
        workforce_.settle_unborn(now);
        lobby_.adopt(now);
        std::vector<UniqueFd> twins;
        UniqueFd file;
        for (UniqueFd& stray : strays) {
            if (is_opened_for_log(stray.get())) {  // The dead master was reopening it.
                continue;
            } else if (Handoffs::is_file(stray.get())) {
                if (!file) file = std::move(stray);
            } else if (!door_.has_accepted(stray.get())) {
                continue;
            } else if (connections_.has_twin(stray.get())) {
                twins.push_back(std::move(stray));
            } else if (output_is_ended(stray.get())) {
                connections_.farewells().add(std::move(stray));  // The last master had refused its client.
            } else if (connections_.has_room()) {
                const std::optional<Place> client = door_.take_in(stray, now);
                if (client && lobby_.receive(*client, now)) lobby_.put_last(*client);
            }
        }
        handoffs_.adopt(twins, file, now);
        strays.push_back(std::move(file));
    }
    workforce_.repeat_orders(now);
    if (stop.gives_way) {
        give_way(now, stop.deadline);
        return;
    }
    if (stop.begun) begin_stop(now, stop.deadline);
    if (stop.closes) {
        (void)shutdown_.note_waiting(false, TimePoint::max());
        door_.close();
    }
}

void Pool::start_workers(TimePoint now) noexcept {
    if (!may_start_workers() || stop_[0].begun || std::exchange(stop_[0].has_started, true)) return;
    if (!shape_.forks_for_each) workforce_.grow(sizer_.limits().workers_start, now);
}

// The orderly stop.

void Pool::begin_stop(TimePoint now, TimePoint deadline) noexcept {
    stop_[0].deadline = stop_[0].begun ? std::min(stop_[0].deadline, deadline) : deadline;
    stop_[0].begun = true;
    if (!shutdown_.begin(now, deadline)) return;
    scoreboard_.header().draining.store(1);
    door_.stop_new_clients();
    lobby_.begin_stop(now);
    workforce_.stop_new_clients();
}

void Pool::continue_stop(TimePoint now) noexcept {
    const bool none_left = lobby_.waiting() == 0 && lobby_.parked() == 0;
    if (shutdown_.is_emptying()) {
        // What a program that has the listener leaves there would hold up the stop for ever.
        const bool in_kernel = !options_.design.lends_listener && door_.has_clients();
        const bool anybody_waits = !none_left || in_kernel || workforce_.has_clients();
        if (shutdown_.note_waiting(anybody_waits, now)) {
            stop_[0].closes = true;
            door_.close();
        }
    }
    if (shutdown_.is_over(now)) {  // In every turn, because a burial may have brought a connection back.
        lobby_.lose_all(ExitReason::drain_limit);
        connections_.farewells().close_all();
        workforce_.kill_all();
    } else if (shutdown_.is_retiring() && none_left && !shape_.forks_for_each) {
        workforce_.retire_all(now);
    }
}

std::uint64_t Pool::lost() noexcept {
    std::uint64_t sum = 0;
    for (const SharedCounter& lost : scoreboard_.header().lost)
        sum += lost.load();
    return sum;
}

bool Pool::is_stopped() const noexcept {
    return shutdown_.is_retiring() && lobby_.waiting() == 0 && lobby_.parked() == 0 &&
           connections_.farewells().empty() && roster_.vacant().size() == static_cast<int>(slots());
}

}  // namespace bullpen
