/// Connections: the table of all connections that the pool's master has accepted and that have not ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <bullpen/clock.hpp>
#include <bullpen/time_limits.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/channel.hpp"
#include "core/shared_array.hpp"
#include "core/table_fd.hpp"
#include "pool/admission.hpp"
#include "pool/farewells.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/peer.hpp"
#include "pool/place.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// Whether two descriptors are of one socket.
[[nodiscard]] bool is_same_socket(int a, int b) noexcept;

/// How a connection ends. Each ending has its counter.
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
    /// The worker has already counted the ending in its row.
    static constexpr Ending in_worker() noexcept { return {Kind::in_worker, 0}; }

private:
    friend class Connections;
    enum class Kind : std::uint8_t { completed, client_aborted, timed_out, refused, lost, in_worker };
    constexpr Ending(Kind kind, std::uint8_t detail) noexcept : kind_{kind}, detail_{detail} {}
    Kind kind_;
    std::uint8_t detail_;
};

/// Where a connection is.
enum class Where : std::uint8_t {
    waiting,  ///< In the lobby; it waits for a worker.
    parked,   ///< In the lobby; it waits for its client.
    given,    ///< At a slot: in its channel or in its worker's hands.
};

/// What the master keeps about a connection from its accept to its end. Plain data in memory that outlives a
/// master; `taken`, `where` and `ended` change only within a Scoreboard::Change.
struct ConnectionEntry {
    TableFd socket;  ///< Open until the end, also while a worker has a copy; empty only while a program does.
    TableFd file;    ///< Parked or given with it, see Connection::file().
    Peer peer;
    std::uint32_t listener = 0;    ///< The index of its listener in the pool.
    std::uint32_t generation = 0;  ///< The place's, raised at each reuse.
    TimePoint accepted{};          ///< When it was accepted.
    TimePoint since{};             ///< When it began to wait for a worker.
    TimePoint deadline{};          ///< When its wait for the client ends, while it is parked.
    TimePoint look_again{};        ///< With an incomplete head: it isn't looked at before this time.
    Resumption resumption{};       ///< How it waits for its client, and what its next handler goes on from.
    std::uint64_t handoff = 0;     ///< While it is given: the handoff's number,
    std::uint32_t slot = 0;        ///< and to which slot.
    std::uint32_t unsent = 0;      ///< Bytes in the kernel's buffer when it was parked to await output.
    std::uint32_t before = 0;      ///< Its neighbours in its ConnectionList;
    std::uint32_t after = 0;       ///< in a vacant place, the next vacant place.
    Where where = Where::waiting;
    bool taken = false;           ///< The place has a connection,
    bool ended = false;           ///< whose ending is counted, and whose descriptors are being closed.
    bool sent = false;            ///< It is given, and surely in the channel or in the worker's hands.
    bool has_new_file = false;    ///< `file` came with the completion that is being accepted.
    bool listed = false;          ///< The connection is in a ConnectionList.
    bool registered = false;      ///< The lobby's epoll knows it,
    bool watched = false;         ///< and reports its next event.
    bool admitted = true;         ///< Admission has counted it and must be told of its end.
    bool was_given = false;       ///< A worker has or had the socket and may have set any option on it.
    bool wants_reset = false;     ///< Its handler wants it reset at its end.
    bool served = false;          ///< It has been between two requests.
    std::uint8_t crashes = 0;     ///< How many workers have crashed with its request.
    std::uint8_t half_heads = 0;  ///< How often in a row it was given back with its head incomplete.

    /// Whether it is between two requests or before the first, so that closing it loses nothing.
    [[nodiscard]] bool is_idle() const noexcept {
        return parking().limit == Limit::idle && parking().what == Await::input;
    }
    /// Whether no answer has begun, so that the client can understand a refusal as its answer.
    [[nodiscard]] bool may_be_refused() const noexcept {
        return is_idle() || (parking().limit == Limit::header && parking().what == Await::input);
    }
    [[nodiscard]] const Parking& parking() const noexcept { return resumption.parking; }
};

/// The table. A connection has a place from add() to end(), by which every other part of the pool names it.
/// end() is the only way out, so accepted == ended + size() always holds, and readers of the scoreboard see
/// each change as a whole. Places are reused and never move. Lives in the master.
class Connections {
public:
    /// `refusal` is sent to a refused client: the service's bytes. Throws std::bad_alloc.
    Connections(Scoreboard& scoreboard, Admission& admission, std::string refusal);

    /// Sets how many connections there may be at once. The first call makes room for `places`, which no later
    /// limit can be above. Connections above a lower limit stay. Throws std::system_error.
    void limit(std::size_t most, std::size_t places = 0);

    void set_refusal(std::string refusal) noexcept { refusal_ = std::move(refusal); }

    /// From here on children don't get the table.
    void keep_from_children() noexcept;

    /// For a master whose predecessor has died, after Scoreboard::roll_back(): takes over what the table
    /// says, finishes endings, and claims the descriptors. Lost is what was in the dead master's hands and
    /// isn't open any more.
    void adopt(OpenDescriptors& open) noexcept;

    /// Whether there is a place for one more connection.
    [[nodiscard]] bool has_room() const noexcept { return size() < most_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t limit() const noexcept { return most_; }

    /// Adds a connection that was just accepted, as one that waits. Needs has_room().
    Place add(UniqueFd socket, const Peer& peer, std::uint32_t listener, TimePoint now) noexcept;

    [[nodiscard]] ConnectionEntry& at(Place place) noexcept;
    [[nodiscard]] const ConnectionEntry& at(Place place) const noexcept;
    [[nodiscard]] bool is_current(Place place) const noexcept;

    /// Whether it is another descriptor of a connection's socket.
    [[nodiscard]] bool has_twin(int fd) const noexcept;

    /// Notes to which slot a connection is about to be given; move() follows.
    void address(Place place, std::uint32_t slot, std::uint64_t handoff) noexcept;

    /// Sets where the connection is, and moves it from one gauge to another. Given connections have no gauge
    /// here: their slot counts them, see Handoffs.
    void move(Place place, Where to) noexcept;

    /// Counts the ending, tells admission, sends a refused client its refusal, and closes the connection; a
    /// refused client that may still be sending goes to the farewells.
    void end(Place place, Ending how) noexcept;

    /// Sockets of connections that have ended. There are never more of both than limit().
    [[nodiscard]] Farewells& farewells() noexcept { return farewells_; }
    [[nodiscard]] const Farewells& farewells() const noexcept { return farewells_; }

    /// The number of connections in the lobby that no worker has begun with.
    [[nodiscard]] int unserved() const noexcept { return static_cast<int>(unserved_); }

    /// Calls visit(place, entry) for each connection that is there; the visitor may end it.
    template <typename Visit>
    void for_each(Where where, Visit visit) {
        for (std::uint32_t index = 0; index < used(); ++index)
            if (entries_[index].taken && entries_[index].where == where)
                visit(Place{index, entries_[index].generation}, entries_[index]);
    }

    /// By its index, for lists and events.
    [[nodiscard]] Place place_at(std::uint32_t index) const noexcept {
        return {index, entries_[index].generation};
    }

private:
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    [[nodiscard]] std::uint32_t used() const noexcept { return used_[0].load(std::memory_order_relaxed); }
    void close(Place place, Ending how) noexcept;
    void vacate(std::uint32_t index) noexcept;
    [[nodiscard]] SharedCounter* gauge_of(Where where) noexcept;
    [[nodiscard]] SharedCounter* counter_of(Ending how) noexcept;
    void say_farewell(ConnectionEntry& entry, Refusal why) noexcept;

    Scoreboard& scoreboard_;
    Admission& admission_;
    std::string refusal_;
    Farewells farewells_;
    SharedArray<ConnectionEntry> entries_;
    SharedArray<SharedWord> used_{1};  ///< Entries from this index on have never been used.
    std::size_t most_ = 0;
    std::size_t size_ = 0;
    std::size_t unserved_ = 0;
    std::uint32_t vacant_ = none;
};

/// A list of connections, linked through their entries; a connection is in one list at most.
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

    /// Calls visit(place) from the first on while it returns true. The visitor may erase that connection.
    template <typename Visit>
    void visit_while(Visit visit) {
        for (std::uint32_t index = first_; index != none;) {
            const Place place = connections_.place_at(index);
            index = connections_.at(place).after;
            if (!visit(place)) return;
        }
    }

    /// The same from the last to the first.
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
