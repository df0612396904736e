/// Connections that wait for their client without a worker.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"
#include "pool/held_client.hpp"

namespace bullpen {

/// An epoll of its own, which the master watches as one descriptor; a few hundred bytes for each connection.
/// Lives in the master and does no I/O with the clients. A registration never outlives the hold: it is
/// removed before the descriptor goes anywhere, because one that survives (another process has the socket,
/// too) could not be removed any more and would report for ever.
class ParkingLot {
public:
    /// Throws std::system_error.
    ParkingLot();

    /// Readable while somebody's wait is over. Borrowed.
    [[nodiscard]] int fd() const noexcept { return epoll_.get(); }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    /// Descriptors that they take: some have a file with them.
    [[nodiscard]] std::size_t descriptors() const noexcept { return size_ + files_; }

    /// How many have not been served yet: silent since they came, or in the middle of their first request.
    [[nodiscard]] std::size_t unserved() const noexcept { return unserved_; }

    /// Takes the client, until what its parking() says comes true or the deadline passes. False: the kernel
    /// won't watch one more (fs.epoll.max_user_watches, memory), and the client is still the caller's.
    bool park(HeldClient& client, TimePoint deadline) noexcept;

    enum class Why {
        ready,    ///< It spoke, or can be written to.
        ended,    ///< The client has ended its side and left nothing to read.
        broken,   ///< Reset.
        expired,  ///< The deadline has passed.
    };
    struct Leaving {
        HeldClient client;
        Why why = Why::ready;
        TimePoint deadline{};
    };

    /// Takes out those whose wait is over, in the order in which it ended, up to a bounded number: one
    /// epoll_wait. The result is valid until the next call.
    std::vector<Leaving>& leave(TimePoint now) noexcept;

    /// Takes out those whose deadline has passed: looks at all.
    std::vector<Leaving>& expire(TimePoint now) noexcept;

    /// Takes out the one that has been idle for longest.
    std::optional<HeldClient> evict_idle() noexcept;

    /// Nobody who is idle waits longer than this: `served` ones, and those who haven't said anything yet.
    void hasten(TimePoint served_until, TimePoint silent_until) noexcept;

private:
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    struct Place {
        HeldClient client;
        TimePoint deadline{};
        std::uint32_t before = none;  ///< Of those that are idle, in the order of their coming;
        std::uint32_t after = none;   ///< of vacant places, the next.
        bool taken = false;
    };
    static_assert(sizeof(Place) + sizeof(Leaving) <= 512, "each parked client costs so much");

    [[nodiscard]] std::uint32_t vacant_place();
    [[nodiscard]] Why why(const HeldClient& client, std::uint32_t events) const noexcept;
    HeldClient take(std::uint32_t place) noexcept;
    void link(std::uint32_t place) noexcept;
    void unlink(std::uint32_t place) noexcept;

    UniqueFd epoll_;
    std::vector<Place> places_;
    std::vector<Leaving> leaving_;
    std::size_t size_ = 0;
    std::size_t files_ = 0;
    std::size_t unserved_ = 0;
    std::uint32_t vacant_ = none;
    std::uint32_t oldest_ = none;
    std::uint32_t newest_ = none;
};

}  // namespace bullpen
