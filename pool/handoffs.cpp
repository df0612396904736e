#include "pool/handoffs.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <utility>

#include "core/log.hpp"

namespace bullpen {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

std::uint64_t to_ns(TimePoint time) noexcept {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

/// A worker's `parking` with impossible values replaced by harmless ones.
Parking sane(Parking parking) noexcept {
    if (static_cast<std::size_t>(parking.limit) >= limits_count) parking.limit = Limit::idle;
    if (parking.what != Await::output) parking.what = Await::input;
    return parking;
}

/// Undoes what a dead worker may have done to a socket that goes on with another one.
void freshen(int socket, std::chrono::milliseconds slice) noexcept {
    const auto set = [socket](int option, auto value) {
        ::setsockopt(socket, SOL_SOCKET, option, &value, sizeof value);
    };
    const auto us = std::chrono::microseconds{slice}.count();
    constexpr std::int64_t us_per_s = 1'000'000;
    const timeval wait{.tv_sec = us / us_per_s, .tv_usec = us % us_per_s};
    set(SO_RCVLOWAT, 1);
    set(SO_PEEK_OFF, -1);
    set(SO_LINGER, linger{.l_onoff = 0, .l_linger = 0});
    set(SO_RCVTIMEO, wait);
    set(SO_SNDTIMEO, wait);
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
}

/// What the worker has told of each connection that it has or had, by the handoff's number.
std::optional<HandoffNote::Told> told_of(std::uint64_t handoff, const WorkerPages& pages) noexcept {
    for (std::uint32_t i = 0; i < pages.depth(); ++i) {
        if (pages.note(i).number() != handoff) continue;
        const HandoffNote::Told told = pages.note(i).read();
        if (told.number == handoff) return told;  // A living worker may have used the note anew by then.
    }
    return {};
}

/// Whether the worker has told only of connections that it was given. Else it has written over its notes.
bool has_possible_notes(const WorkerPages& pages, std::uint64_t last_handoff) noexcept {
    for (std::uint32_t i = 0; i < pages.depth(); ++i)
        if (pages.note(i).number() > last_handoff) return false;
    return true;
}

}  // namespace

Handoffs::Handoffs(const PoolOptions& options, const PoolShape& shape, Scoreboard& scoreboard,
                   Connections& connections, Lobby& lobby, Roster& roster, Workforce& workforce,
                   Recalls& recalls)
    : options_{options},
      shape_{shape},
      scoreboard_{scoreboard},
      connections_{connections},
      lobby_{lobby},
      roster_{roster},
      workforce_{workforce},
      recalls_{recalls},
      doubts_{options, shape, scoreboard, roster, workforce},
      handed_at_(shape.slots),
      unsure_{shape.slots} {}

/// A connection with a file goes alone: its message has two descriptors.
std::size_t Handoffs::give(std::uint32_t slot, std::span<const Place> clients, TimePoint now) noexcept {
    const auto has_file = [this](Place client) { return bool{connections_.at(client).file}; };
    std::size_t given = 0;
    while (given < clients.size()) {
        const std::span rest = clients.subspan(given);
        const auto alone = std::find_if(rest.begin(), rest.end(), has_file) - rest.begin();
        const std::size_t together = std::max<std::size_t>(static_cast<std::size_t>(alone), 1);
        if (!send(slot, rest.first(together), now)) break;
        given += together;
    }
    return given;
}

bool Handoffs::send(std::uint32_t slot, std::span<const Place> clients, TimePoint now) noexcept {
    SlotAccount& account = roster_.account(slot);
    std::array<Message, messages_at_once> messages;
    std::array<int, messages_at_once> descriptors{};
    std::size_t count = 0;
    {
        const Scoreboard::Change change{scoreboard_};
        for (const Place client : clients) {
            const ConnectionEntry& entry = connections_.at(client);
            connections_.address(client, slot, account.next_handoff());
            connections_.move(client, Where::given);
            descriptors[count] = entry.socket.get();
            messages[count++] = {.kind = MessageKind::connection,
                                 .generation = workforce_.generation(slot),
                                 .since_ns = to_ns(entry.since),
                                 .handoff = account.give(client),
                                 .listener = entry.listener,
                                 .resumption = entry.resumption};
        }
        roster_.moved(slot, now);
    }
    const TableFd& file = connections_.at(clients[0]).file;
    if (file) descriptors[1] = file.get();
    const Sent sent = send_messages(workforce_.channel(slot).master.get(), std::span{messages}.first(count),
                                    std::span{descriptors}.first(file ? 2 : count));
    if (sent == Sent::sent) {
        for (const Place client : clients)
            connections_.at(client).was_given = connections_.at(client).sent = true;
        handed_at_[slot] = now;
        add(scoreboard_.header().handoffs, count);
        return true;
    }
    {
        const Scoreboard::Change change{scoreboard_};
        for (std::size_t i = 0; i < count; ++i) {
            account.take_back(messages[i].handoff);
            connections_.move(clients[i], Where::waiting);
        }
        roster_.moved(slot, now);
    }
    if (sent == Sent::closed) workforce_.replace(slot, "its channel is broken");
    return false;
}

/// Closes the copies of connections that programs have: from then on the connection's end is theirs.
void Handoffs::give_away(std::uint32_t slot) noexcept {
    const WorkerPages pages = scoreboard_.pages(slot);
    for (const auto& [client, handoff] : roster_.account(slot).given()) {
        ConnectionEntry& entry = connections_.at(client);
        if (!entry.socket) continue;
        const auto told = told_of(handoff, pages);
        if (told && told->progress == Progress::touched) entry.socket.reset();
    }
}

void Handoffs::note_progress(TimePoint now) noexcept {
    if (!shape_.hands_off()) return;
    out_of_memory_ = false;
    roster_.owing().for_each([&](std::uint32_t slot) {
        if (is_being_replaced(slot)) return;
        if (options_.design.gives_away()) give_away(slot);
        roster_.note_awaiting(slot, scoreboard_.row(slot).awaiting_since_ns.load(relaxed) != 0);
        const char* const why = take_completions(slot, now);
        if (why == nullptr) return;
        doubts_.drop(slot);
        workforce_.replace(slot, why);
    });
    doubts_.note_answers(now, [&](std::uint32_t slot) {
        if (unsure_.contains(slot)) settle_unsure(slot, now);
    });
}

bool Handoffs::has_news() const noexcept {
    const auto has = [this](std::uint32_t slot) {
        return !is_being_replaced(slot) &&
               scoreboard_.pages(slot).published() != roster_.account(slot).completions();
    };
    return !out_of_memory_ && roster_.owing().find_if(has).has_value();
}

/// Whether the slot's worker is about to be replaced, so that its pages are no longer read.
bool Handoffs::is_being_replaced(std::uint32_t slot) const noexcept {
    return !roster_.is_usable(slot) && !doubts_.is_asked(slot);
}

/// Accepts what the worker has published since the last look. Returns why it must be replaced, or null. The
/// number of completions accepted over the slot's life is the index of the next one.
const char* Handoffs::take_completions(std::uint32_t slot, TimePoint now) noexcept {
    const SlotAccount& account = roster_.account(slot);
    const WorkerPages pages = scoreboard_.pages(slot);
    const std::uint64_t published = pages.published();
    if (published - account.completions() > account.completions_due())
        return "it reports more connections than it was handed";
    while (account.completions() != published) {
        if (accept(slot, pages.read(account.completions()), now)) continue;
        return out_of_memory_ ? nullptr : "it reports a connection that it was not handed";
    }
    return nullptr;
}

bool Handoffs::accept(std::uint32_t slot, const Completion& completion, TimePoint now) noexcept {
    if (completion.kind == Completion::Kind::declined) return note_declined(slot, completion.number, now);
    if (!roster_.account(slot).find(completion.number)) return false;
    switch (completion.kind) {
        case Completion::Kind::declined: break;
        case Completion::Kind::parked: return shape_.parks && note_parked(slot, completion, now);
        case Completion::Kind::ended:
        case Completion::Kind::reset: note_ended(slot, completion, now); return true;
    }
    return false;
}

/// Takes back a connection that was withdrawn, unless the master has done so already.
bool Handoffs::note_declined(std::uint32_t slot, std::uint64_t handoff, TimePoint now) noexcept {
    SlotAccount& account = roster_.account(slot);
    if (!account.may_decline(handoff)) return false;
    const Scoreboard::Change change{scoreboard_};
    const std::optional<Place> client = account.decline(handoff);
    roster_.note_account(slot);
    if (!client) return true;
    roster_.moved(slot, now);
    lobby_.put_first(*client);
    return true;
}

void Handoffs::note_ended(std::uint32_t slot, const Completion& completion, TimePoint now) noexcept {
    const Scoreboard::Change change{scoreboard_};
    const std::optional<Place> client = roster_.account(slot).end(completion.number);
    roster_.moved(slot, now);
    connections_.at(*client).wants_reset = completion.kind == Completion::Kind::reset;
    connections_.end(*client, Ending::in_worker());
}

/// Parks a connection. Returns false if its file isn't there or isn't one.
bool Handoffs::note_parked(std::uint32_t slot, const Completion& completion, TimePoint now) noexcept {
    const Place client = *roster_.account(slot).find(completion.number);
    ConnectionEntry& entry = connections_.at(client);
    if (completion.file == Completion::File::none) entry.file.reset();
    if (completion.file == Completion::File::passed)
        if (!take_file(slot, completion.number, entry)) return false;
    entry.resumption = {.parking = sane(completion.resumption.parking), .state = completion.resumption.state};
    if (entry.parking().limit == Limit::idle) {
        entry.served = entry.served || completion.exchanged != 0;
        entry.crashes = 0;
    }
    const Scoreboard::Change change{scoreboard_};
    roster_.account(slot).park(completion.number);
    roster_.moved(slot, now);
    lobby_.park(client, now);
    return true;
}

/// Receives the file that the worker has sent before it published the completion. Returns false if it isn't
/// there (out_of_memory_: it is, for later) or isn't one.
bool Handoffs::take_file(std::uint32_t slot, std::uint64_t handoff, ConnectionEntry& entry) noexcept {
    if (entry.has_new_file) return true;  // A master that has died had received it.
    Envelope envelope;
    const Received received = receive_message(workforce_.channel(slot).master.get(), envelope, Wait::never);
    if (received == Received::later) out_of_memory_ = true;
    const bool good = received == Received::message && envelope.message().kind == MessageKind::file &&
                      envelope.message().handoff == handoff && envelope.descriptors[0] &&
                      is_file(envelope.descriptors[0].get());
    if (good) {
        entry.file = std::move(envelope.descriptors[0]);
        entry.has_new_file = true;
    }
    discard(envelope);
    return good;
}

void Handoffs::rebalance(TimePoint now) noexcept {
    if (roster_.ahead().empty()) return;
    roster_.ahead().for_each([&](std::uint32_t slot) {
        const bool stealing = roster_.has_idle() && now - handed_at_[slot] >= options_.steal_after;
        if (!stealing && now - roster_.moved_at(slot) < options_.stalled_after) return;
        ConnectionList taken{connections_};
        take_back(slot, taken, now);
        while (!taken.empty() && roster_.has_idle()) {
            const Place client = taken.front();
            if (!give(*roster_.idle().lowest(), client, now)) break;
            taken.erase(client);
        }
        if (options_.queue == 0) return put_first(taken);
        while (!taken.empty()) {  // To the queue, which bounds their wait; the last first, for their order.
            const Place client = taken.back();
            taken.erase(client);
            lobby_.put_before_others(client);
        }
    });
}

void Handoffs::relieve(TimePoint now) noexcept {
    if (!shape_.hands_off()) return;
    roster_.owing().for_each([&](std::uint32_t slot) { relieve(slot, now); });
    doubts_.judge(now);
}

void Handoffs::relieve(std::uint32_t slot, TimePoint now) noexcept {
    if (doubts_.is_asked(slot) || !roster_.is_usable(slot) ||
        now - roster_.moved_at(slot) < options_.stuck_after || doubts_.holds_what_it_was_given(slot))
        return;
    const std::uint64_t before = roster_.account(slot).outstanding();
    take_back_all(slot, now);
    if (roster_.account(slot).outstanding() != before)
        log(LogLevel::warning, workforce_.name_of(slot) +
                                   " is stuck: it does not receive its client, which goes to another worker");
    doubts_.ask(slot, now);
}

void Handoffs::take_back_all(std::uint32_t slot, TimePoint now) noexcept {
    ConnectionList taken{connections_};
    take_back(slot, taken, now);
    put_first(taken);
}

void Handoffs::put_first(ConnectionList& taken) noexcept {
    while (!taken.empty()) {
        const Place client = taken.front();
        taken.erase(client);
        lobby_.put_first(client);
    }
}

void Handoffs::take_back(std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept {
    withdraw(slot, taken, now);
    take_from_channel(slot, taken, now);
}

/// Withdraws what the worker has received behind others. It begins with none of these any more, or the master
/// sees that it has: see Worker::claim().
void Handoffs::withdraw(std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept {
    SlotAccount& account = roster_.account(slot);
    const WorkerPages pages = scoreboard_.pages(slot);
    const std::uint64_t until = account.begin_withdrawal();
    roster_.note_account(slot);
    pages.withdraw(until);
    for (std::size_t i = 0; i < account.given().size();) {
        const auto [client, handoff] = account.given()[i];
        const auto told = told_of(handoff, pages);
        if (!told || told->progress != Progress::queued) {
            ++i;
            continue;
        }
        const Scoreboard::Change change{scoreboard_};
        account.withdraw(handoff);
        take(client, slot, taken, now);
    }
}

/// Receives on the worker's end of the channel, which the master also has, the connections that the worker
/// has not received; the kernel gives each message to exactly one receiver. Orders that lie before them are
/// dropped, and so are the descriptors: the master has the connections' own.
void Handoffs::take_from_channel(std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept {
    if (!workforce_.channel(slot).worker) return;
    for (;;) {
        Envelope envelope;
        const Received received =
            receive_message(workforce_.channel(slot).worker.get(), envelope, Wait::never);
        if (received == Received::empty || received == Received::closed || received == Received::later)
            return;
        if (received == Received::malformed) continue;
        const Scoreboard::Change change{scoreboard_};
        for (const Message& message : envelope.messages()) {
            if (message.kind == MessageKind::recall) recalls_.repeat(slot);
            if (message.kind != MessageKind::connection) continue;
            if (const auto client = roster_.account(slot).take_back(message.handoff))
                take(*client, slot, taken, now);
        }
    }
}

void Handoffs::take(Place client, std::uint32_t slot, ConnectionList& taken, TimePoint now) noexcept {
    connections_.move(client, Where::waiting);
    roster_.moved(slot, now);
    add(scoreboard_.header().recovered);
    taken.push_back(client);
}

/// Closing anything else, such as a socket with unsent data, could block the master.
bool Handoffs::is_file(int fd) noexcept {
    struct statx about {};
    return ::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &about) == 0 &&
           S_ISREG(about.stx_mode);
}

// Taking over from a master that has died.

void Handoffs::adopt(std::span<const UniqueFd> twins, UniqueFd& file, TimePoint now) {
    if (!shape_.hands_off()) return;
    std::vector<Place> taken_out;
    SlotSet unsure{shape_.slots};
    connections_.for_each(Where::given, [&](Place client, ConnectionEntry& entry) {
        entry.was_given = true;
        const auto is_its = [&](const UniqueFd& twin) {
            return is_same_socket(twin.get(), entry.socket.get());
        };
        if (std::any_of(twins.begin(), twins.end(), is_its))
            taken_out.push_back(client);
        else if (!entry.sent)
            unsure.insert(entry.slot);
    });
    ConnectionList taken{connections_};
    for (const Place client : taken_out) {
        const ConnectionEntry& entry = connections_.at(client);
        const Scoreboard::Change change{scoreboard_};
        roster_.account(entry.slot).take_back(entry.handoff);
        take(client, entry.slot, taken, now);
    }
    put_first(taken);
    unsure.for_each([&](std::uint32_t slot) {
        take_back_all(slot, now);
        unsure_.insert(slot);
        if (!doubts_.is_asked(slot)) doubts_.ask(slot, now);
    });
    if (!file) return;
    // It came before the completion that is the next one of its slot.
    roster_.owing().for_each([&](std::uint32_t slot) {
        const WorkerPages pages = scoreboard_.pages(slot);
        const std::uint64_t next = roster_.account(slot).completions();
        if (!file || pages.published() == next) return;
        const Completion completion = pages.read(next);
        const std::optional<Place> client = roster_.account(slot).find(completion.number);
        if (!client || completion.file != Completion::File::passed || connections_.at(*client).has_new_file)
            return;
        connections_.at(*client).file = std::move(file);
        connections_.at(*client).has_new_file = true;
    });
}

/// The worker has answered, so that it has told of all that it had received: what it doesn't know of was
/// never sent.
void Handoffs::settle_unsure(std::uint32_t slot, TimePoint now) noexcept {
    unsure_.erase(slot);
    SlotAccount& account = roster_.account(slot);
    ConnectionList taken{connections_};
    for (std::size_t i = 0; i < account.given().size();) {
        const auto [client, handoff] = account.given()[i];
        ConnectionEntry& entry = connections_.at(client);
        entry.sent = entry.sent || knows_of(slot, handoff);
        if (entry.sent) {
            ++i;
            continue;
        }
        const Scoreboard::Change change{scoreboard_};
        account.take_back(handoff);
        take(client, slot, taken, now);
    }
    put_first(taken);
}

/// Whether the slot's worker has told of the handoff, or of its end.
bool Handoffs::knows_of(std::uint32_t slot, std::uint64_t handoff) noexcept {
    const SlotAccount& account = roster_.account(slot);
    const WorkerPages pages = scoreboard_.pages(slot);
    if (told_of(handoff, pages)) return true;
    const std::uint64_t news = std::min(pages.published() - account.completions(), account.completions_due());
    for (std::uint64_t i = 0; i < news; ++i)
        if (pages.read(account.completions() + i).number == handoff) return true;
    return false;
}

void Handoffs::settle(std::uint32_t slot, Death& death, TimePoint now) noexcept {
    if (shape_.pick == Pick::never || !scoreboard_.pages(slot)) return;
    unsure_.erase(slot);
    // A worker that has written nonsense over its pages may have told of more connections than they say now.
    const bool nonsense = take_completions(slot, now) != nullptr ||
                          !has_possible_notes(scoreboard_.pages(slot), roster_.account(slot).handoffs());
    take_unpublished(slot, now);
    ConnectionList taken{connections_};
    take_from_channel(slot, taken, now);
    put_first(taken);
    give_again(slot, death, nonsense ? Silence::hides : Silence::means_not_begun, now);
    roster_.account(slot).forget_withdrawn();
    empty_channel(slot);
}

/// A worker that was killed after it had counted an ending, and before it published it, has ended that
/// connection nevertheless.
void Handoffs::take_unpublished(std::uint32_t slot, TimePoint now) noexcept {
    const SlotAccount& account = roster_.account(slot);
    const WorkerPages pages = scoreboard_.pages(slot);
    if (outcomes(scoreboard_.row(slot)) != account.finished() + 1 ||
        pages.published() != account.completions())
        return;
    const Completion completion = pages.read(account.completions());
    const bool ended =
        completion.kind == Completion::Kind::ended || completion.kind == Completion::Kind::reset;
    if (ended && account.find(completion.number)) note_ended(slot, completion, now);
}

void Handoffs::give_again(std::uint32_t slot, Death& death, Silence silence, TimePoint now) noexcept {
    SlotAccount& account = roster_.account(slot);
    const WorkerPages pages = scoreboard_.pages(slot);
    for (std::size_t i = 0; i < account.given().size();) {
        const auto [client, handoff] = account.given()[i];
        const ConnectionEntry& entry = connections_.at(client);
        const auto told = told_of(handoff, pages);
        const bool known = told || silence == Silence::means_not_begun;
        const Fate fate = entry.socket && known
                              ? fate_of(told, death.reason, options_.retry_crashed - entry.crashes)
                              : Fate::lose;
        if (fate == Fate::lose) {
            ++i;
            continue;
        }
        const Scoreboard::Change change{scoreboard_};
        account.take_back(handoff);
        roster_.moved(slot, now);
        go_on_elsewhere(client, fate, told.value_or(HandoffNote::Told{}), now);
        ++death.given_again;
    }
}

void Handoffs::go_on_elsewhere(Place client, Fate fate, const HandoffNote::Told& told,
                               TimePoint now) noexcept {
    ConnectionEntry& entry = connections_.at(client);
    freshen(entry.socket.get(), options_.listen_options.slice);
    if (fate == Fate::keep || fate == Fate::retry) {
        entry.resumption = {.parking = sane(told.resumption.parking), .state = told.resumption.state};
        if (fate == Fate::keep && told.exchanged) entry.crashes = 0;
        entry.served = entry.served || (told.exchanged && entry.parking().limit == Limit::idle);
    }
    if (fate == Fate::retry) ++entry.crashes;
    entry.resumption.parking.input_at_least = 1;  // As freshen() has set it.
    add(scoreboard_.header().recovered);
    if (fate == Fate::keep && shape_.parks)
        lobby_.park(client, now);
    else
        lobby_.put_first(client);
}

/// Discards messages one by one: descriptors that are closed with the channel could block.
void Handoffs::empty_channel(std::uint32_t slot) noexcept {
    if (!workforce_.channel(slot).master) return;
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
    if (!roster_.ahead().empty())
        next = now + (roster_.has_idle() ? options_.steal_after : options_.stalled_after);
    constexpr std::chrono::milliseconds until_there_is_memory{10};
    if (out_of_memory_) next = std::min(next, now + until_there_is_memory);
    next = std::min(next, doubts_.prepare_to_wait(now));
    if (!roster_.owing().empty()) {
        // A worker that ends a connection wakes the master only if that waits for room: the copy of the
        // socket is closed at this look at the latest. It comes the more seldom, the longer nothing has
        // moved.
        constexpr std::chrono::nanoseconds soonest = std::chrono::milliseconds{10};
        const std::chrono::nanoseconds latest = options_.stuck_after / 2;
        const std::chrono::nanoseconds quiet = now - roster_.moved_at();
        next = std::min(next, now + std::clamp(quiet / 2, std::min(soonest, latest), latest));
    }
    return next;
}

}  // namespace bullpen
