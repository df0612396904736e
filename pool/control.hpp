/// The control socket: takes orders from `bullpen ctl`.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <string>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/listener.hpp"
#include "pool/control_line.hpp"
#include "pool/events.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/orders.hpp"
#include "pool/reload_note.hpp"
#include "pool/status.hpp"

namespace bullpen {

struct ControlLimits {
    std::size_t clients_max = 8;  ///< For one more, one is closed: the first of those whose line isn't there
                                  ///< yet, or the first of all.
    std::chrono::milliseconds request_timeout{5'000};  ///< From the accept to the end of the request's line.
    std::chrono::milliseconds between_accepts{10};     ///< At most one client is accepted in this time.
};

/// Lives in the master, which never waits for a client: one whose line isn't there in time, or is too long,
/// is closed, and so is one that doesn't take its answer at once. One that waits until its order has happened
/// costs a descriptor. Only the server's own user and root are heard.
///
/// The keeper's image opens the listener, so that it outlives a master, and the file goes with the keeper. A
/// client's connection ends with a master that dies: the successor finds it as a stray descriptor and closes
/// it. One that makes room for another leaves its clients to that.
class Control {
public:
    /// Owns the listening UNIX socket.
    explicit Control(Listener listener, ControlLimits limits = {});

    [[nodiscard]] const Address& address() const noexcept { return listener_.address(); }

    /// Until this is called nobody is heard.
    void watch_by(Events& events);

    /// The listener's file, which was another server's, is this one's from here on.
    void own_file() noexcept { listener_.own_file(); }

    /// Another server hears from here on; clients that are here stay. The listener stays open, because other
    /// masters know its number; leave_to_twin() is for the keeper, at its end.
    void stop_listening() noexcept { watch_.reset(); }
    void leave_to_twin() noexcept { listener_.leave_to_twin(); }

    /// Notes the clients for the next master; this one does nothing more with them. A client whose line has
    /// come in part is left out.
    void leave_clients(ReloadNote& note) noexcept;

    /// Takes over what the note says; before watch_by().
    void take_over_clients(ReloadNote& note, OpenDescriptors& open);

    /// Arms the watches. Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait(TimePoint now);

    /// Accepts, reads, and closes the clients that have left or are too late.
    void attend(TimePoint now);

    /// A client whose order has come.
    class Asker {
    public:
        [[nodiscard]] Order order() const noexcept { return *order_; }

        /// From here on the order is carried out: answer_all() answers when it has happened.
        void note_under_way() noexcept { under_way_ = true; }

        /// `attachment` (or -1), borrowed: a descriptor that goes with the line.
        void answer(const ControlAnswer& answer, const ServerStatus* status = nullptr, int attachment = -1);

    private:
        friend class Control;
        Asker(UniqueFd socket, TimePoint until) noexcept : socket_{std::move(socket)}, until_{until} {}
        [[nodiscard]] bool is_closed() const noexcept { return !socket_; }
        void read();

        UniqueFd socket_;
        std::optional<Events::Watch> watch_;  // After the socket, which it must not outlive.
        TimePoint until_;                     ///< The deadline of its line.
        std::string line_{};
        std::optional<Order> order_{};
        bool under_way_ = false;
    };

    /// Calls visit(Asker&) for each whose order is neither under way nor answered, in the order of their
    /// arrival.
    template <typename Visit>
    void for_each_asker(Visit visit) {
        for (Asker& asker : clients_)
            if (asker.order_ && !asker.under_way_ && !asker.is_closed()) visit(asker);
    }

    /// Answers all whose order is `order` and under way.
    void answer_all(Order order, const ControlAnswer& answer);

private:
    void accept(TimePoint now);
    void make_room() noexcept;

    Listener listener_;
    ControlLimits limits_;
    Events* events_ = nullptr;
    std::optional<Events::Watch> watch_;
    std::list<Asker> clients_;
    TimePoint accept_again_{};
};

}  // namespace bullpen
