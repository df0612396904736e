/// What comes of orders to a server for one of its pools: a reload, an upgrade, its status, another size.
#include "pool/connection_list.hpp"
#include "pool/pool.hpp"

namespace bullpen {

// The reload.

PresentPool Pool::present() const {
    return {.options = options_, .texts = listener_texts_, .workers_most = workers_most(options_, shape_)};
}

Pool::Change Pool::prepare_change(PoolOptions wanted, OpenedListeners added) const {
    check_change({present()}, {.pools = {wanted}});
    const auto places = door_.places_for(added.listeners);
    if (!places)
        throw std::runtime_error{"pool '" + options_.name + "' has no place for so many listeners; " +
                                 std::to_string(listeners_max) +
                                 " are possible, with those that are still to be closed"};
    std::vector<std::string> texts = listener_texts_;
    for (std::string& text : texts)
        if (std::find(wanted.listen.begin(), wanted.listen.end(), text) == wanted.listen.end()) text.clear();
    const bool new_listeners = texts != listener_texts_ || !places->empty();
    for (std::size_t i = 0; i < places->size(); ++i) {
        texts.resize(std::max(texts.size(), (*places)[i] + 1));
        texts[(*places)[i]] = added.texts[i];
    }
    Admission admission{wanted.admission, texts};
    DatagramAdmission datagram_admission{wanted.admission, texts, datagram_admission_.rates()};
    wanted.reserve = options_.reserve;  // The slots are there.
    wanted.workers_most = options_.workers_most;
    wanted.limits = limits_for(wanted.design, wanted.limits);
    return {.options = std::move(wanted),
            .added = std::move(added.listeners),
            .places = *places,
            .texts = std::move(texts),
            .admission = std::move(admission),
            .datagram_admission = std::move(datagram_admission),
            .new_listeners = new_listeners};
}

bool Pool::change(Change&& change, std::chrono::seconds drain_timeout) noexcept {
    for (std::size_t i = 0; i < listener_texts_.size(); ++i)
        if (change.texts[i].empty() && door_.is_in_service(i)) door_.remove(i);
    for (std::size_t i = 0; i < change.added.size(); ++i)
        door_.add(change.places[i], std::move(change.added[i]));
    listener_texts_ = std::move(change.texts);
    scoreboard_.header().listeners = static_cast<std::uint32_t>(listeners().size());
    if (change.options.of_workers != options_.of_workers) workforce_.begin_edition();
    options_ = std::move(change.options);
    admission_ = std::move(change.admission);
    datagram_admission_ = std::move(change.datagram_admission);
    connections_.set_refusal(options_.refusal);
    door_.change(options_.listen_options);
    workforce_.set_drain_timeout(drain_timeout);
    size_.forget_changes();
    return change.new_listeners;
}

std::vector<std::size_t> Pool::listeners_from(const std::string& text) const {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < listener_texts_.size(); ++i)
        if (listener_texts_[i] == text && door_.is_in_service(i)) places.push_back(i);
    return places;
}

void Pool::give_away(std::size_t listener) noexcept {
    door_.give_away(listener);
    listener_texts_[listener].clear();
}

void Pool::remove(TimePoint deadline) noexcept {
    stop_[0].deadline = deadline;
    stop_[0].begun = true;
}

// The upgrade.

void Pool::hold() noexcept {
    held_ = true;
    door_.hold();
}

void Pool::release() noexcept {
    held_ = false;
    door_.release();
}

void Pool::take_in(const MovedConnection& moved, UniqueFd socket, UniqueFd file, TimePoint now) noexcept {
    if (!options_.design.master_accepts() || !connections_.has_room()) return;
    std::uint32_t listener = 0;
    for (std::uint32_t i = 0; i < listeners().size(); ++i)
        if (listeners()[i].has_accepted(socket.get())) listener = i;
    const Place client = connections_.add(std::move(socket), moved.peer, listener, now);
    ConnectionEntry& entry = connections_.at(client);
    moved.apply_to(entry);
    if (file) entry.file = std::move(file);
    admission_.recount(entry.peer);
    if (shape_.parks)
        lobby_.take_in(client, now);
    else
        lobby_.put_last(client);
}

std::vector<PassedListener> Pool::listeners_to_pass_on() const {
    std::vector<PassedListener> passed;
    for (std::size_t i = 0; i < listeners().size(); ++i)
        if (door_.is_in_service(i))
            passed.push_back({"pool " + options_.name, listener_texts_[i], listeners()[i].fd()});
    return passed;
}

void Pool::give_way(TimePoint now, TimePoint deadline) noexcept {
    stop_[0].deadline = stop_[0].begun ? std::min(stop_[0].deadline, deadline) : deadline;
    stop_[0].gives_way = stop_[0].begun = stop_[0].closes = true;
    if (!shutdown_.begin(now, deadline)) return;
    (void)shutdown_.note_waiting(false, TimePoint::max());
    for (std::size_t i = 0; i < listeners().size(); ++i)
        if (door_.is_in_service(i)) door_.give_away(i);
    door_.close();
    workforce_.stop_new_clients();
    if (!options_.design.master_accepts()) workforce_.retire_all(now);
}

void Pool::leave_sources() noexcept {
    sources_left_count_[0] = admission_.leave({sources_left_.begin(), sources_left_.end()});
}

/// Once: what a master has left, its successor has; if that dies, bans and rates begin anew.
void Pool::take_over_sources() noexcept {
    const std::uint64_t count = sources_left_count_[0].exchange(0);
    admission_.take_over({sources_left_.begin(), sources_left_.begin() + count});
}

void Pool::publish_reload(bool successful, std::uint64_t in_effect_since_s) noexcept {
    ScoreboardHeader& header = scoreboard_.header();
    header.reload_successful = successful ? 1 : 0;
    header.reloaded_at_s = in_effect_since_s;
}

// Orders.

PoolStatus Pool::status() {
    const ScoreboardHeader& header = scoreboard_.header();
    PoolStatus status{.name = options_.name, .model = options_.design.name};
    status.leaving = !is_serving();
    for (std::size_t i = 0; i < listeners().size(); ++i)
        if (!listeners()[i].is_closed())
            status.listeners.push_back({.address = listeners()[i].address().text(),
                                        .waiting = header.listen_queues[i].length,
                                        .backlog = header.listen_queues[i].limit});
    status.workers = roster_.count();
    status.workers_max = options_.limits.workers_max;
    status.counts_connections = options_.design.master_accepts();
    status.accepted = header.accepted;
    status.open = connections_.size();
    status.parked = header.parked;
    status.queued = header.queued;
    status.lost = lost();
    return status;
}

void Pool::list_connections(std::string& text, TimePoint now) {
    write_pool(text, options_.name);
    for (std::uint32_t slot = 0; slot < scoreboard_.slots(); slot = shape_.process_of(slot).end)
        if (const pid_t pid = workforce_.pid(slot); pid != 0)
            write(text,
                  ListedWorkers{.pid = pid, .slots = shape_.process_of(slot), .busy = busy_for(slot, now)});
    const auto list = [&](const ConnectionEntry& entry, Where where, bool queued) {
        write(text, ListedConnection{
                        .fd = entry.socket.get(),
                        .where = where,
                        .slot = entry.slot,
                        .age = std::chrono::duration_cast<std::chrono::milliseconds>(now - entry.accepted),
                        .queued = queued});
    };
    for (const Where where : {Where::waiting, Where::parked})
        connections_.for_each(where, [&](Place, const ConnectionEntry& entry) { list(entry, where, false); });
    roster_.owing().for_each([&](std::uint32_t slot) {
        const auto given = roster_.account(slot).given();
        for (std::size_t i = 0; i < given.size(); ++i)
            list(connections_.at(given[i].client), Where::given, i >= shape_.capacity);
    });
}

/// Since when the worker has had its client, where that is one that it has accepted: by its row, in which a
/// broken worker may write anything.
std::optional<std::chrono::milliseconds> Pool::busy_for(std::uint32_t slot, TimePoint now) const noexcept {
    const bool one_client = !options_.design.master_accepts() && shape_.slots_of_a_process == 1 &&
                            shape_.capacity == 1 && options_.design.form != Form::datagram;
    const std::uint64_t begun_ns = scoreboard_.row(slot).begun_at_ns.load(std::memory_order_relaxed);
    const auto now_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
    if (!one_client || begun_ns == 0 || begun_ns > now_ns) return {};
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds{now_ns - begun_ns});
}

ControlAnswer Pool::change_size(int processes, std::uint64_t number) {
    ControlAnswer answer = size_.carry_out(processes, number);
    gauges_.publish_limits();
    return answer;
}

}  // namespace bullpen
