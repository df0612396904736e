#include "pool/handoffs.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>

#include "core/log.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

std::uint64_t to_ns(TimePoint time) noexcept {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

/// Returns nothing if the kernel can't say now (ENOBUFS, ENOMEM), which isn't the worker's fault.
template <typename Value>
std::optional<Value> socket_option(int socket, int name) noexcept {
    Value value{};
    socklen_t size = sizeof value;
    if (::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0) return value;
    if (errno == ENOBUFS || errno == ENOMEM) return {};
    return static_cast<Value>(-1);
}

/// Whether the socket is connected to another address than `peer`.
bool is_connected_to_another(int socket, const Peer& peer) noexcept {
    sockaddr_storage other;
    socklen_t size = sizeof other;
    auto* const address = reinterpret_cast<sockaddr*>(&other);
    return peer.has_address && ::getpeername(socket, address, &size) == 0 && Peer::of(address, size) != peer;
}

/// Whether the socket that a worker, possibly a broken one, gives back is the one that it was given: the
/// first time, a stream socket of its listener's family with its client at the other end; later, the same
/// cookie.
bool is_what_was_given(int socket, ConnectionEntry& entry, int family) noexcept {
    const auto cookie = socket_option<std::uint64_t>(socket, SO_COOKIE);
    if (entry.cookie != 0) return !cookie || *cookie == entry.cookie;
    entry.cookie = cookie.value_or(0);
    const auto is = [socket](int name, int expected) {
        return socket_option<int>(socket, name).value_or(expected) == expected;
    };
    return is(SO_DOMAIN, family) && is(SO_TYPE, SOCK_STREAM) && is(SO_ACCEPTCONN, 0) &&
           !is_connected_to_another(socket, entry.peer);
}

/// Only a regular file is accepted: closing anything else, such as a socket with unsent data, could block the
/// master.
bool is_regular_file(int file) noexcept {
    struct statx about {};
    return ::statx(file, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &about) == 0 &&
           S_ISREG(about.stx_mode);
}

/// A worker's `parking` with impossible values replaced by harmless ones.
Parking sane(Parking parking) noexcept {
    if (static_cast<std::size_t>(parking.limit) >= limits_count) parking.limit = Limit::idle;
    if (parking.what != Await::output) parking.what = Await::input;
    return parking;
}

}  // namespace

Handoffs::Handoffs(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard,
                   Connections& connections, Lobby& lobby, Roster& roster, Workforce& workforce,
                   std::vector<int> families)
    : options_{options},
      shape_{shape},
      scoreboard_{scoreboard},
      connections_{connections},
      lobby_{lobby},
      roster_{roster},
      workforce_{workforce},
      families_{std::move(families)},
      doubts_(shape.slots) {}

bool Handoffs::give(std::uint32_t slot, Place client, TimePoint now) noexcept {
    ConnectionEntry& entry = connections_.at(client);
    SlotAccount& account = roster_.account(slot);
    Message message{.kind = MessageKind::connection,
                    .generation = workforce_.generation(slot),
                    .since_ns = to_ns(entry.since),
                    .listener = entry.listener,
                    .parking = entry.parking,
                    .state = entry.state};
    {
        const Scoreboard::Change change{scoreboard_};
        connections_.move(client, Where::given);
        message.handoff = account.give(client);
        roster_.moved(slot, now);
    }
    const std::array<int, 2> descriptors{entry.socket.get(), entry.file.get()};
    const std::size_t count = entry.file ? 2 : 1;
    const Sent sent =
        send_message(workforce_.channel(slot).master.get(), message, std::span{descriptors}.first(count));
    if (sent == Sent::sent) {
        entry.socket.reset();
        entry.file.reset();
        doubts_[slot].handed_at = now;
        add(scoreboard_.header().handoffs);
        return true;
    }
    {
        const Scoreboard::Change change{scoreboard_};
        account.take_back(message.handoff);
        roster_.moved(slot, now);
        connections_.move(client, Where::waiting);
    }
    if (sent == Sent::closed) workforce_.replace(slot, "its channel is broken");
    return false;
}

void Handoffs::note_progress(TimePoint now) noexcept {
    if (!shape_.hands_off()) return;
    roster_.owing().for_each([&](std::uint32_t slot) {
        if (is_being_replaced(slot)) return;
        const ScoreboardRow& row = scoreboard_.row(slot);
        // A message names the connection that is given back; ended ones are known only by their count, in the
        // order given. So `finished` is read first, then all connections given back are taken out, and what
        // is counted later waits for the next look.
        const std::uint64_t finished = row.finished.load(std::memory_order_seq_cst);
        roster_.note_awaiting(slot, row.awaiting_since_ns.load(relaxed) != 0);
        if (!shape_.parks || note_returned(slot, now)) note_finished(slot, finished, now);
    });
    for (std::uint32_t slot = 0; asked_ > 0 && slot < shape_.slots; ++slot)
        if (doubts_[slot].asked_at) note_answer(slot, now);
}

bool Handoffs::has_news(News which) const noexcept {
    const auto has = [this, which](std::uint32_t slot) {
        if (is_being_replaced(slot)) return false;
        const ScoreboardRow& row = scoreboard_.row(slot);
        const SlotAccount& account = roster_.account(slot);
        return row.returned.load(std::memory_order_seq_cst) != account.returned() ||
               (which == News::any && row.finished.load(std::memory_order_seq_cst) != account.finished());
    };
    return !out_of_memory_ && roster_.owing().find_if(has).has_value();
}

/// Whether the slot's worker is about to be replaced, so that its row is no longer read.
bool Handoffs::is_being_replaced(std::uint32_t slot) const noexcept {
    return !roster_.is_usable(slot) && !doubts_[slot].asked_at;
}

void Handoffs::note_finished(std::uint32_t slot, std::uint64_t finished, TimePoint now) noexcept {
    SlotAccount& account = roster_.account(slot);
    if (finished == account.finished()) return;
    const auto in_worker = [this](Place client) { connections_.end(client, Ending::in_worker()); };
    if (!account.finish_to(finished, in_worker))
        return workforce_.replace(slot, "its row counts more finished connections than it was handed");
    roster_.moved(slot, now);
}

/// Takes in the connections given back: row.returned - account.returned() of them lie in the channel, because
/// each is sent before it is counted. Returns false if some couldn't be received yet.
bool Handoffs::note_returned(std::uint32_t slot, TimePoint now) noexcept {
    const SlotAccount& account = roster_.account(slot);
    const std::uint64_t returned = scoreboard_.row(slot).returned.load(std::memory_order_seq_cst);
    if (returned == account.returned()) return true;
    if (returned - account.returned() > account.outstanding()) {
        workforce_.replace(slot, "its row counts more connections given back than it was handed");
        return false;
    }
    while (account.returned() != returned) {
        if (take_returned(slot, now)) continue;
        if (out_of_memory_) return false;
        workforce_.replace(slot, "it did not give back what it was handed");
        return false;
    }
    return true;
}

/// Receives one connection that the worker gives back and parks it. Returns false if nothing came, or
/// something that the worker may not send.
bool Handoffs::take_returned(std::uint32_t slot, TimePoint now) noexcept {
    Envelope envelope;
    const Received received = receive_message(workforce_.channel(slot).master.get(), envelope, Wait::never);
    out_of_memory_ = received == Received::later;
    const bool kept = keep_returned(slot, received, envelope, now);
    discard(envelope);
    return kept;
}

bool Handoffs::keep_returned(std::uint32_t slot, Received received, Envelope& envelope,
                             TimePoint now) noexcept {
    const Message& message = envelope.message;
    SlotAccount& account = roster_.account(slot);
    if (received == Received::truncated) {  // RLIMIT_NOFILE was lowered from outside: the descriptor is gone.
        const Scoreboard::Change change{scoreboard_};
        const std::optional<Place> client = account.give_back(message.handoff);
        if (!client) return false;
        roster_.moved(slot, now);
        connections_.end(*client, Ending::lost(ExitReason::descriptors));
        return true;
    }
    if (received != Received::message || message.kind != MessageKind::returned || !envelope.descriptors[0])
        return false;
    const std::optional<Place> outstanding = account.find(message.handoff);
    if (!outstanding) return false;
    ConnectionEntry& entry = connections_.at(*outstanding);
    if (!is_what_was_given(envelope.descriptors[0].get(), entry, families_[entry.listener]) ||
        (envelope.descriptors[1] && !is_regular_file(envelope.descriptors[1].get())))
        return false;
    entry.socket = std::move(envelope.descriptors[0]);
    entry.file = std::move(envelope.descriptors[1]);
    entry.parking = sane(message.parking);
    entry.state = message.state;
    entry.given_back = true;
    entry.served = entry.served || (message.listener != 0 && entry.parking.limit == Limit::idle);
    const Scoreboard::Change change{scoreboard_};
    account.give_back(message.handoff);
    roster_.moved(slot, now);
    lobby_.park(*outstanding, now);
    return true;
}

void Handoffs::rebalance(TimePoint now) noexcept {
    const auto wanted = [this] { return roster_.has_idle() || options_.queue > 0; };
    if (roster_.ahead().empty() || !wanted()) return;
    roster_.ahead().for_each([&](std::uint32_t slot) {
        if (!wanted() || now - doubts_[slot].handed_at < options_.steal_after) return;
        const std::optional<Place> client = take_back_one(slot, now);
        if (!client) return;
        if (!roster_.has_idle())
            lobby_.put_before_others(*client);
        else if (!give(*roster_.idle().lowest(), *client, now))
            lobby_.put_first(*client);
    });
}

void Handoffs::relieve(TimePoint now) noexcept {
    if (!shape_.hands_off()) return;
    roster_.owing().for_each([&](std::uint32_t slot) { relieve(slot, now); });
    for (std::uint32_t slot = 0; asked_ > 0 && slot < shape_.slots; ++slot)
        if (doubts_[slot].asked_at) judge(slot, now);
}

/// A worker that waits for room says that it waits, too, also with await_next 0.
std::chrono::milliseconds Handoffs::shortest_recall_pause() const noexcept {
    return std::max(options_.await_next, std::chrono::milliseconds{1});
}

void Handoffs::recall_awaiting(bool at_once, TimePoint now) noexcept {
    if (!shape_.parks || roster_.owing().empty() || (!at_once && now < next_recall_)) return;
    const std::uint64_t latest_begin = to_ns(at_once ? now : now - options_.await_next);
    bool any = false;
    roster_.owing().for_each([&](std::uint32_t slot) {
        const std::uint64_t since = scoreboard_.row(slot).awaiting_since_ns.load(relaxed);
        if (since == 0) return;
        any = true;
        Doubt& doubt = doubts_[slot];
        if (since == doubt.recalled || since > latest_begin) return;
        doubt.recalled = since;
        send_message(workforce_.channel(slot).master.get(), {.kind = MessageKind::recall}, {});
    });
    const auto longest = options_.stuck_after / 2;
    recall_pause_ = any ? shortest_recall_pause() : std::min(2 * recall_pause_, longest);
    next_recall_ = now + recall_pause_;
}

/// Whether the row's counts say that the worker has received what it was given. A hint only: the channel
/// decides.
bool Handoffs::holds_what_it_was_given(std::uint32_t slot) const noexcept {
    const SlotAccount& account = roster_.account(slot);
    const std::uint64_t serves =
        scoreboard_.row(slot).begun.load(relaxed) - account.finished() - account.returned() - account.lost();
    return serves >= std::min(account.outstanding(), shape_.capacity);
}

void Handoffs::relieve(std::uint32_t slot, TimePoint now) noexcept {
    if (doubts_[slot].asked_at || !roster_.is_usable(slot) ||
        now - roster_.moved_at(slot) < options_.stuck_after || holds_what_it_was_given(slot))
        return;
    const std::uint64_t before = roster_.account(slot).outstanding();
    take_back_all(slot, now);
    if (roster_.account(slot).outstanding() != before)
        log(LogLevel::warning, workforce_.name_of(slot) +
                                   " is stuck: it does not receive its client, which goes to another worker");
    ask(slot, now);
}

/// Asks the slot's worker for an answer; until then it is given no connection.
void Handoffs::ask(std::uint32_t slot, TimePoint now) noexcept {
    Doubt& doubt = doubts_[slot];
    doubt.questions = scoreboard_.row(slot).answers.load(relaxed) + 1;
    doubt.asked_at = now;
    doubt.answered_at = {};
    doubt.generation = workforce_.generation(slot);
    ++asked_;
    roster_.set_usable(slot, Usable::no);
    // What was taken back with the client may have been the order to retire.
    const bool leaves = roster_.draining().contains(slot);
    const MessageKind kind = leaves ? MessageKind::retire : MessageKind::answer;
    send_message(workforce_.channel(slot).master.get(), {.kind = kind, .generation = doubt.generation}, {});
}

/// Called each turn until the question is settled: by an answer of a worker that has all that it was given,
/// by the worker's death, or by its replacement.
void Handoffs::note_answer(std::uint32_t slot, TimePoint now) noexcept {
    Doubt& doubt = doubts_[slot];
    if (doubt.generation != workforce_.generation(slot) || workforce_.pid(slot) == 0)
        return settle_doubt(slot);  // It is dead.
    if (doubt.answered_at != TimePoint{} ||
        scoreboard_.row(slot).answers.load(std::memory_order_seq_cst) != doubt.questions)
        return;
    doubt.answered_at = now;
    if (roster_.account(slot).outstanding() > 0 && !holds_what_it_was_given(slot)) return;  // See judge().
    settle_doubt(slot);
    roster_.set_usable(slot, Usable::yes);
}

void Handoffs::settle_doubt(std::uint32_t slot) noexcept {
    doubts_[slot].asked_at.reset();
    --asked_;
}

/// Judges a worker that was asked. A worker receives in order, so when it answers it has begun with all
/// connections received before the question; and an idle worker that isn't stopped answers at once. Otherwise
/// another process has received what was meant for it.
void Handoffs::judge(std::uint32_t slot, TimePoint now) noexcept {
    const Doubt& doubt = doubts_[slot];
    const bool answered = doubt.answered_at != TimePoint{};
    if (roster_.account(slot).outstanding() > 0 && holds_what_it_was_given(slot)) {
        if (!answered) return;  // Busy; it answers when it has finished.
        settle_doubt(slot);
        roster_.set_usable(slot, Usable::yes);
        return;
    }
    if (workforce_.is_stopped(slot)) return;  // Workforce::end_stopped() ends it.
    const bool robbed = answered ? now - doubt.answered_at >= options_.stuck_after / 2
                                 : now - *doubt.asked_at >= options_.stopped_timeout;
    if (!robbed) return;
    settle_doubt(slot);
    workforce_.replace_in_order(slot, "another process has taken from its channel", now);
}

void Handoffs::forgive(std::chrono::nanoseconds gap) noexcept {
    for (Doubt& doubt : doubts_)
        if (doubt.asked_at) *doubt.asked_at += gap;
}

void Handoffs::take_back_all(std::uint32_t slot, TimePoint now) noexcept {
    if (!workforce_.channel(slot).worker) return;
    while (const std::optional<Place> client = take_back_one(slot, now))
        lobby_.put_first(*client);
}

/// Receives on the worker's end of the channel, which the master also has, a connection that the worker has
/// not received; the kernel gives each message to exactly one receiver. Orders that lie before it are
/// dropped.
std::optional<Place> Handoffs::take_back_one(std::uint32_t slot, TimePoint now) noexcept {
    for (;;) {
        Envelope envelope;
        const Received received =
            receive_message(workforce_.channel(slot).worker.get(), envelope, Wait::never);
        if (received == Received::empty || received == Received::closed || received == Received::later)
            return {};
        if (received == Received::malformed || envelope.message.kind != MessageKind::connection) continue;
        const Scoreboard::Change change{scoreboard_};
        SlotAccount& account = roster_.account(slot);
        if (received == Received::truncated ||
            !envelope.descriptors[0]) {  // The master is out of descriptors.
            const std::optional<Place> client = account.lose(envelope.message.handoff);
            if (client) connections_.end(*client, Ending::lost(ExitReason::descriptors));
            roster_.moved(slot, now);
            continue;
        }
        const std::optional<Place> client = account.take_back(envelope.message.handoff);
        if (!client) continue;
        ConnectionEntry& entry = connections_.at(*client);
        entry.socket = std::move(envelope.descriptors[0]);
        entry.file = std::move(envelope.descriptors[1]);
        connections_.move(*client, Where::waiting);
        roster_.moved(slot, now);
        add(scoreboard_.header().recovered);
        return client;
    }
}

void Handoffs::take_last_returned(std::uint32_t slot, TimePoint now) noexcept {
    if (!workforce_.channel(slot).master) return;
    while (roster_.account(slot).outstanding() > 0 && take_returned(slot, now))
        continue;
    // Other messages are discarded one by one: descriptors that are closed with the channel could block.
    constexpr int most = 1000;  // Bounds the loop, because an empty message is received like the end of file.
    Received received = Received::closed;
    for (int i = 0; i < most && received != Received::empty && received != Received::later; ++i) {
        Envelope envelope;
        received = receive_message(workforce_.channel(slot).master.get(), envelope, Wait::never);
        discard(envelope);
    }
}

TimePoint Handoffs::prepare_to_wait(TimePoint now) const noexcept {
    TimePoint next = TimePoint::max();
    if (!shape_.hands_off()) return next;
    if (!roster_.ahead().empty() && (roster_.has_idle() || options_.queue > 0))
        next = now + options_.steal_after;
    constexpr std::chrono::milliseconds until_there_is_memory{10};
    if (out_of_memory_) next = std::min(next, now + until_there_is_memory);
    if (!roster_.owing().empty() || asked_ > 0) next = std::min(next, now + options_.stuck_after / 2);
    if (shape_.parks && !roster_.owing().empty())
        next = std::min(next, std::max(next_recall_, now + shortest_recall_pause()));
    return next;
}

}  // namespace bullpen
