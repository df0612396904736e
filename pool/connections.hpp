/// Every connection that the pool's master has accepted and that has not ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/channel.hpp"
#include "core/clock.hpp"
#include "core/time_limits.hpp"
#include "core/unique_fd.hpp"
#include "pool/admission.hpp"
#include "pool/peer.hpp"
#include "pool/place.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// What becomes of a connection in the end; each has its counter.
class Ending {
public:
    static constexpr Ending completed() noexcept { return {Kind::completed, 0}; }
    static constexpr Ending client_aborted() noexcept { return {Kind::client_aborted, 0}; }
    static constexpr Ending timed_out(Limit limit) noexcept {
        return {Kind::timed_out, static_cast<std::uint8_t>(limit)};
    }
    static constexpr Ending refused(Refusal why) noexcept {
        return {Kind::refused, static_cast<std::uint8_t>(why)};
    }
    static constexpr Ending lost(ExitReason why) noexcept {
        return {Kind::lost, static_cast<std::uint8_t>(why)};
    }
    /// The worker has counted the outcome in its row.
    static constexpr Ending in_worker() noexcept { return {Kind::in_worker, 0}; }

private:
    friend class Connections;
    enum class Kind : std::uint8_t { completed, client_aborted, timed_out, refused, lost, in_worker };
    constexpr Ending(Kind kind, std::uint8_t detail) noexcept : kind_{kind}, detail_{detail} {}
    Kind kind_;
    std::uint8_t detail_;
};

/// Where a connection is: who has to see to it that it gets on.
enum class Where : std::uint8_t {
    waiting,  ///< In the lobby, for a worker.
    parked,   ///< In the lobby, for its client.
    given,    ///< With a slot: in its channel or in its worker's hands.
};

/// What the master keeps of a connection from its accept to its end, wherever it is. Plain data.
struct ConnectionEntry {
    UniqueFd socket;  ///< Empty while it is given: the worker has it then, and sends it back to be parked.
    UniqueFd file;    ///< Parked with it, see Connection::file().
    Peer peer;
    std::uint32_t listener = 0;    ///< Index of the pool's.
    std::uint32_t generation = 0;  ///< Of the place.
    TimePoint since{};             ///< When it began to wait for a worker.
    TimePoint deadline{};          ///< While it is parked.
    TimePoint look_again{};        ///< A half head: not looked at before.
    std::uint64_t cookie = 0;      ///< The socket's (SO_COOKIE), once a worker has given it back; else 0.
    Parking parking{};
    std::array<std::byte, 64> state{};  ///< The handler's own.
    std::uint32_t unsent = 0;           ///< Bytes in the kernel's buffer when it was parked to await output.
    std::uint32_t before = 0;           ///< Neighbours in the list it is in, see ConnectionList;
    std::uint32_t after = 0;            ///< of a vacant place, the next vacant one.
    Where where = Where::waiting;
    bool taken = false;           ///< The place is.
    bool listed = false;          ///< It is in a ConnectionList.
    bool watched = false;         ///< By the lobby's epoll.
    bool admitted = true;         ///< Admission knows it.
    bool given_back = false;      ///< A worker has had the socket: it may have set anything on it.
    bool served = false;          ///< Given back between two requests.
    std::uint8_t half_heads = 0;  ///< Times in a row that it came back with its head incomplete.

    /// Between two requests, or before the first: nothing is lost if it is closed.
    [[nodiscard]] bool is_idle() const noexcept {
        return parking.limit == Limit::idle && parking.what == Await::input;
    }
    /// No answer has begun, so that a refusal can be understood as one.
    [[nodiscard]] bool may_be_refused() const noexcept {
        return is_idle() || (parking.limit == Limit::header && parking.what == Await::input);
    }
};

/// The table. A connection has its place from add() to end(), and every other part of the pool names it by
/// that; end() is the only way out. So accepted == ended + size() by construction, and each change is seen by
/// readers of the scoreboard as a whole. Places are reused and never move. Lives in the master.
class Connections {
public:
    /// `refusal` is what a refused client is told, in the service's words. Throws std::bad_alloc.
    Connections(Scoreboard& scoreboard, Admission& admission, std::string refusal);

    /// Before the first add(): how many there may be at once.
    void limit(std::size_t most);

    /// Whether there is a place for one more.
    [[nodiscard]] bool has_room() const noexcept { return size() < most_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t limit() const noexcept { return most_; }

    /// A connection that was just accepted: it waits. Needs has_room().
    Place add(UniqueFd socket, const Peer& peer, std::uint32_t listener, TimePoint now) noexcept;

    [[nodiscard]] ConnectionEntry& at(Place place) noexcept;
    [[nodiscard]] const ConnectionEntry& at(Place place) const noexcept;
    [[nodiscard]] bool is_current(Place place) const noexcept;

    /// From one place to another, and the gauges with it. What is given is counted by its slot: see Handoffs.
    void move(Place place, Where to) noexcept;

    /// Counts the outcome, tells admission, says why where it is refused in words, closes.
    void end(Place place, Ending how) noexcept;

    /// Those in the lobby with which no worker has begun.
    [[nodiscard]] int unserved() const noexcept { return static_cast<int>(unserved_); }

    /// For each connection of that kind; the visitor may end it.
    template <typename Visit>
    void for_each(Where where, Visit visit) {
        for (std::uint32_t index = 0; index < entries_.size(); ++index)
            if (entries_[index].taken && entries_[index].where == where)
                visit(Place{index, entries_[index].generation}, entries_[index]);
    }

    /// By its index, for lists and events.
    [[nodiscard]] Place place_at(std::uint32_t index) const noexcept {
        return {index, entries_[index].generation};
    }

private:
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    [[nodiscard]] SharedCounter* gauge_of(Where where) noexcept;
    [[nodiscard]] SharedCounter* counter_of(Ending how) noexcept;
    void say_farewell(const ConnectionEntry& entry, Refusal why) const noexcept;

    Scoreboard& scoreboard_;
    Admission& admission_;
    std::string refusal_;
    std::vector<ConnectionEntry> entries_;  ///< Has room for most_, so that it never moves.
    std::size_t most_ = 0;
    std::size_t size_ = 0;
    std::size_t unserved_ = 0;
    std::uint32_t vacant_ = none;
};

/// Connections in an order, linked through their entries: each is in one list at most.
class ConnectionList {
public:
    explicit ConnectionList(Connections& connections) noexcept : connections_{connections} {}

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] Place front() const noexcept { return connections_.place_at(first_); }
    [[nodiscard]] Place back() const noexcept { return connections_.place_at(last_); }

    void push_back(Place place) noexcept;
    void push_front(Place place) noexcept;
    void erase(Place place) noexcept;

    /// Visits them from the first on, as long as the visitor says so; it may erase the one it is called with.
    template <typename Visit>
    void visit_while(Visit visit) {
        for (std::uint32_t index = first_; index != none;) {
            const Place place = connections_.place_at(index);
            index = connections_.at(place).after;
            if (!visit(place)) return;
        }
    }

    /// The same from the last on.
    template <typename Visit>
    void visit_back_while(Visit visit) {
        for (std::uint32_t index = last_; index != none;) {
            const Place place = connections_.place_at(index);
            index = connections_.at(place).before;
            if (!visit(place)) return;
        }
    }

private:
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    Connections& connections_;
    std::uint32_t first_ = none;
    std::uint32_t last_ = none;
    std::size_t size_ = 0;
};

}  // namespace bullpen
