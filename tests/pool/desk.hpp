/// For tests: handoffs over real channels, with made-up times and no process behind them.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <array>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pool/handoffs.hpp"
#include "tests/pool/hall.hpp"

namespace bullpen::at_desk {

using in_lobby::begin;
using in_lobby::Guest;
using in_lobby::one_listener;

constexpr Model one_by_one{.name = "test", .summary = "", .delivery = Delivery::handoff};
constexpr Model many_at_once{
    .name = "test", .summary = "", .delivery = Delivery::handoff, .multiplexes = true};

inline PoolOptions pool_with(int workers, const Model& model = one_by_one) {
    PoolOptions options;
    options.design = model;
    options.limits = {.policy = SizingPolicy::fixed, .workers_max = workers};
    options.capacity = 8;
    options.parks_files = true;
    return options;
}

inline PoolOptions crowded(int queue = 0) {
    PoolOptions options = pool_with(2);
    options.queue_ahead = 8;
    options.queue = queue;
    return options;
}

inline UniqueFd some_file() {
    return UniqueFd{::memfd_create("test", MFD_CLOEXEC)};
}

/// Handoffs and what is around them, with workers that the test plays.
struct Desk {
    PoolOptions options;
    PoolShape shape;
    Scoreboard board;
    Admission admission{{}, one_listener};
    Connections connections{board, admission, ""};
    Lobby lobby{options, connections, board};
    Roster roster{options, shape, board};
    const std::vector<Listener> none;
    pid_t last_pid = std::numeric_limits<pid_t>::max();  ///< No process has such a number.
    Workforce workforce;
    Recalls recalls{options, shape, board, roster, workforce};
    Handoffs handoffs{options, shape, board, connections, lobby, roster, workforce, recalls};

    explicit Desk(PoolOptions with = pool_with(2))
        : options{std::move(with)},
          shape{shape_of(options)},
          board{shape.slots, static_cast<std::uint32_t>(shape.depth)},
          workforce{options,
                    shape,
                    board,
                    connections,
                    roster,
                    {.listeners = &none,
                     .spawn = [this](const auto&, pid_t& pid) { return std::optional{pid = last_pid--}; }}} {
        connections.limit(100);
        for (std::uint32_t slot = 0; slot < shape.slots; ++slot)
            employ(slot);
    }
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;
    /// What its parts leave open for a successor, see TableFd.
    ~Desk() {
        for (const Where where : {Where::waiting, Where::parked, Where::given})
            connections.for_each(where, [](Place, ConnectionEntry& entry) {
                entry.socket.reset();
                entry.file.reset();
            });
        for (std::uint32_t slot = 0; slot < shape.slots; ++slot)
            for (const int fd : {workforce.channel(slot).master.get(), workforce.channel(slot).worker.get()})
                UniqueFd{fd}.reset();
    }
    void employ(std::uint32_t slot) {
        REQUIRE(workforce.start(slot, {}, begin));
        roster.place(slot, Stage::ready, Usable::yes);
    }

    Guest come(SocketPair sockets = tcp_sockets()) {
        return {std::move(sockets.client), connections.add(std::move(sockets.server), Peer{}, 3, begin)};
    }
    Guest give(std::uint32_t slot, TimePoint now = begin) {
        Guest guest = come();
        REQUIRE(handoffs.give(slot, guest.place, now));
        return guest;
    }
    ConnectionEntry& at(const Guest& guest) { return connections.at(guest.place); }
    [[nodiscard]] bool is_there(const Guest& guest) const { return connections.is_current(guest.place); }
    [[nodiscard]] bool is(const Guest& guest, Where where) {
        return is_there(guest) && at(guest).where == where;
    }
    [[nodiscard]] std::uint64_t handoff_of(const Guest& guest, std::uint32_t slot) {
        for (const auto& [client, handoff] : roster.account(slot).given())
            if (client == guest.place) return handoff;
        return 0;
    }

    // What a worker does.
    Received receive(std::uint32_t slot, Envelope& envelope) {
        return receive_message(workforce.channel(slot).worker.get(), envelope, Wait::never);
    }
    Envelope receive(std::uint32_t slot) {
        Envelope envelope;
        REQUIRE(receive(slot, envelope) == Received::message);
        return envelope;
    }
    void tell(std::uint32_t slot, std::uint64_t handoff, Progress progress, bool exchanged = false,
              const Resumption& resumption = {}) {
        board.pages(slot).note(0).tell(handoff, progress, exchanged, resumption);
    }
    void publish(std::uint32_t slot, const Completion& completion) {
        board.pages(slot).write(completion);
        ScoreboardRow& row = board.row(slot);
        add(completion.kind == Completion::Kind::parked ? row.returned : row.completed);
        board.pages(slot).publish();
    }
    /// Receives a message of several connections, as a worker that begins with the first.
    void receive_in_hand(std::uint32_t slot) {
        const Envelope envelope = receive(slot);
        for (std::uint32_t i = 0; i < envelope.messages().size(); ++i)
            board.pages(slot).note(i).tell(envelope.messages()[i].handoff,
                                           i == 0 ? Progress::begun : Progress::queued, false, {});
    }
    void decline(std::uint32_t slot, std::uint64_t handoff) {
        board.pages(slot).write({.number = handoff, .kind = Completion::Kind::declined});
        board.pages(slot).publish();
    }
    std::vector<Guest> give_together(std::uint32_t slot, std::size_t count) {
        std::vector<Guest> guests;
        std::vector<Place> places;
        for (std::size_t i = 0; i < count; ++i)
            places.push_back(guests.emplace_back(come()).place);
        REQUIRE(handoffs.give(slot, places, begin) == count);
        return guests;
    }
    void pass(std::uint32_t slot, int file, std::uint64_t handoff) {
        const std::array<int, 1> descriptor{file};
        REQUIRE(send_message(workforce.channel(slot).worker.get(),
                             {.kind = MessageKind::file, .handoff = handoff}, descriptor) == Sent::sent);
    }

    /// As a master does whose predecessor has died.
    void adopt(std::span<const UniqueFd> twins = {}) {
        UniqueFd none_left;
        handoffs.adopt(twins, none_left, begin);
    }

    /// As Pool does when a worker has died.
    Death die(std::uint32_t slot, ExitReason why = ExitReason::signalled, TimePoint now = begin) {
        Death death{.process = {slot, slot + 1}, .pid = workforce.pid(slot), .reason = why};
        handoffs.settle(slot, death, now);
        death.lost = workforce.settle(slot, death, now);
        CHECK(roster.account(slot).outstanding() == 0);
        employ(slot);
        return death;
    }

    /// The connection that a dead worker had received, of which it has told this.
    Guest left_by_dead(std::uint32_t slot, Progress progress, const Resumption& resumption = {},
                       bool exchanged = false, ExitReason why = ExitReason::signalled) {
        Guest guest = give(slot);
        hand_on(guest, slot, progress, resumption, exchanged, why);
        return guest;
    }
    void hand_on(const Guest& guest, std::uint32_t slot, Progress progress, const Resumption& resumption = {},
                 bool exchanged = false, ExitReason why = ExitReason::signalled) {
        (void)receive(slot);
        tell(slot, handoff_of(guest, slot), progress, exchanged, resumption);
        (void)die(slot, why);
    }
    [[nodiscard]] std::uint64_t lost(ExitReason why) {
        return board.header().lost[static_cast<std::size_t>(why)];
    }
};

}  // namespace bullpen::at_desk
