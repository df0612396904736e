#include "pool/connections.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>

#include "core/lingering.hpp"

namespace bullpen {

bool is_same_socket(int a, int b) noexcept {
    struct stat first {};
    struct stat second {};
    return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_ino == second.st_ino &&
           first.st_dev == second.st_dev;
}

Connections::Connections(Scoreboard& scoreboard, Admission& admission, std::string refusal)
    : scoreboard_{scoreboard}, admission_{admission}, refusal_{std::move(refusal)} {}

void Connections::limit(std::size_t most, std::size_t places) {
    if (entries_.size() == 0)  // Entries that nobody has used take no memory.
        entries_ = SharedArray<ConnectionEntry>{std::max(most, places)};
    most_ = std::min(most, entries_.size());
}

void Connections::keep_from_children() noexcept {
    entries_.keep_from_children();
    used_.keep_from_children();
}

/// A connection that has its place but whose socket isn't open can't be: entries own from before to after.
/// But what isn't open can't be served, so that it is lost.
void Connections::adopt(OpenDescriptors& open) noexcept {
    scoreboard_.header().queued.store(0, std::memory_order_relaxed);
    scoreboard_.header().parked.store(0, std::memory_order_relaxed);
    for (std::uint32_t index = used(); index-- > 0;) {
        ConnectionEntry& entry = entries_[index];
        if (entry.socket && !open.claim(entry.socket.get())) entry.socket.forget();
        if (entry.file && !open.claim(entry.file.get())) entry.file.forget();
        entry.listed = entry.registered = entry.watched = false;
        entry.before = entry.after = none;
        if (!entry.taken) {
            vacate(index);
            continue;
        }
        ++size_;
        if (entry.ended) {
            entry.admitted = false;
            close(place_at(index), Ending::in_worker());
            continue;
        }
        if (entry.admitted) admission_.recount(entry.peer);
        if (SharedCounter* const gauge = gauge_of(entry.where)) bullpen::add(*gauge);
        if (entry.where == Where::waiting || (entry.where == Where::parked && !entry.served)) ++unserved_;
        if (!entry.socket && entry.where != Where::given)
            end(place_at(index), Ending::lost(ExitReason::master));
    }
}

Place Connections::add(UniqueFd socket, const Peer& peer, std::uint32_t listener, TimePoint now) noexcept {
    assert(has_room());
    if (size_ + farewells_.size() >= most_) farewells_.close_oldest();
    std::uint32_t index = vacant_;
    if (index == none) {
        index = used();
        used_[0].store(index + 1, std::memory_order_relaxed);
    } else {
        vacant_ = entries_[index].after;
    }
    ConnectionEntry& entry = entries_[index];
    const std::uint32_t generation = entry.generation + 1;
    entry = {};
    entry.peer = peer;
    entry.listener = listener;
    entry.generation = generation;
    entry.accepted = now;
    entry.since = now;
    const Scoreboard::Change change{scoreboard_};
    scoreboard_.remember(entry.socket);  // Taken back, it is one that was just accepted.
    scoreboard_.remember(entry.taken);
    scoreboard_.remember(scoreboard_.header().accepted);
    entry.socket = std::move(socket);
    entry.taken = true;
    ++size_;
    ++unserved_;
    bullpen::add(scoreboard_.header().accepted);
    bullpen::add(*gauge_of(Where::waiting));
    return {index, generation};
}

ConnectionEntry& Connections::at(Place place) noexcept {
    assert(is_current(place));
    return entries_[place.index];
}

const ConnectionEntry& Connections::at(Place place) const noexcept {
    assert(is_current(place));
    return entries_[place.index];
}

bool Connections::is_current(Place place) const noexcept {
    return place.index < used() && entries_[place.index].taken &&
           entries_[place.index].generation == place.generation;
}

bool Connections::has_twin(int fd) const noexcept {
    return std::any_of(entries_.begin(), entries_.begin() + used(), [fd](const ConnectionEntry& entry) {
        return entry.taken && entry.socket && is_same_socket(fd, entry.socket.get());
    });
}

void Connections::address(Place place, std::uint32_t slot, std::uint64_t handoff) noexcept {
    ConnectionEntry& entry = at(place);
    assert(entry.where != Where::given);
    entry.slot = slot;
    entry.handoff = handoff;
    entry.sent = false;
    entry.has_new_file = false;
}

void Connections::move(Place place, Where to) noexcept {
    ConnectionEntry& entry = at(place);
    const auto counts = [&entry](Where where) { return where == Where::waiting || !entry.served; };
    if (entry.where == to) return;
    const Scoreboard::Change change{scoreboard_};
    if (entry.where != Where::given && counts(entry.where)) --unserved_;
    if (SharedCounter* const gauge = gauge_of(entry.where)) bullpen::add(*gauge, ~std::uint64_t{0});
    scoreboard_.remember(entry.where);
    entry.where = to;
    if (SharedCounter* const gauge = gauge_of(to)) bullpen::add(*gauge);
    if (to != Where::given && counts(to)) ++unserved_;
}

void Connections::end(Place place, Ending how) noexcept {
    ConnectionEntry& entry = at(place);
    assert(!entry.watched && !entry.listed);
    {
        const Scoreboard::Change change{scoreboard_};
        move(place, Where::given);  // Takes it out of the lobby's gauges.
        if (SharedCounter* const counter = counter_of(how)) {
            scoreboard_.remember(*counter);
            bullpen::add(*counter);
        }
        scoreboard_.remember(entry.ended);
        entry.ended = true;
    }
    scoreboard_.commit();  // This change may be part of another, and a close can't be taken back.
    close(place, how);
}

/// Closes what a connection had whose ending is counted. A successor that finds it half done does the rest.
void Connections::close(Place place, Ending how) noexcept {
    ConnectionEntry& entry = entries_[place.index];
    if (entry.admitted) admission_.ended(entry.peer);
    if (entry.socket && entry.was_given) {  // An SO_LINGER of the handler's could block close(2).
        const linger how_to_close{.l_onoff = entry.wants_reset ? 1 : 0, .l_linger = 0};
        ::setsockopt(entry.socket.get(), SOL_SOCKET, SO_LINGER, &how_to_close, sizeof how_to_close);
        // Its worker may have died after it had sent the answer and before it took the request.
        if (how.kind_ == Ending::Kind::lost) (void)discard_input(entry.socket.get());
    }
    if (how.kind_ == Ending::Kind::refused) say_farewell(entry, static_cast<Refusal>(how.detail_));
    entry.socket.reset();
    entry.file.reset();
    vacate(place.index);
    --size_;
}

void Connections::vacate(std::uint32_t index) noexcept {
    ConnectionEntry& entry = entries_[index];
    entry.taken = entry.ended = false;
    entry.after = vacant_;
    vacant_ = index;
}

SharedCounter* Connections::gauge_of(Where where) noexcept {
    switch (where) {
        case Where::waiting: return &scoreboard_.header().queued;
        case Where::parked: return &scoreboard_.header().parked;
        case Where::given: break;
    }
    return nullptr;
}

SharedCounter* Connections::counter_of(Ending how) noexcept {
    ScoreboardHeader& header = scoreboard_.header();
    switch (how.kind_) {
        case Ending::Kind::completed: return &header.completed;
        case Ending::Kind::client_aborted: return &header.client_aborted;
        case Ending::Kind::timed_out: return &header.timed_out[how.detail_];
        case Ending::Kind::refused: return &header.refused[how.detail_];
        case Ending::Kind::lost: return &header.lost[how.detail_];
        case Ending::Kind::in_worker: break;
    }
    return nullptr;
}

/// Sends the service's refusal if it has one and the client may expect an answer. A client that has ended its
/// side sends nothing more.
void Connections::say_farewell(ConnectionEntry& entry, Refusal why) noexcept {
    const bool silently = why == Refusal::denied || why == Refusal::banned || why == Refusal::stopping;
    if (silently || refusal_.empty()) return;
    const int socket = entry.socket.get();
    const bool may_send = discard_input(socket) != Discarded::end;
    (void)!::send(socket, refusal_.data(), refusal_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    ::shutdown(socket, SHUT_WR);
    if (may_send) farewells_.add(entry.socket.release());
}

void ConnectionList::push_back(Place place) noexcept {
    ConnectionEntry& entry = connections_.at(place);
    assert(!entry.listed);
    entry.listed = true;
    entry.before = last_;
    entry.after = none;
    (last_ == none ? first_ : connections_.at(back()).after) = place.index;
    last_ = place.index;
    ++size_;
}

void ConnectionList::push_front(Place place) noexcept {
    ConnectionEntry& entry = connections_.at(place);
    assert(!entry.listed);
    entry.listed = true;
    entry.before = none;
    entry.after = first_;
    (first_ == none ? last_ : connections_.at(front()).before) = place.index;
    first_ = place.index;
    ++size_;
}

void ConnectionList::erase(Place place) noexcept {
    ConnectionEntry& entry = connections_.at(place);
    assert(entry.listed);
    entry.listed = false;
    (entry.before == none ? first_ : connections_.at(connections_.place_at(entry.before)).after) =
        entry.after;
    (entry.after == none ? last_ : connections_.at(connections_.place_at(entry.after)).before) = entry.before;
    --size_;
}

}  // namespace bullpen
