/// A socket that clients connect to, or send datagrams to.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <bullpen/address.hpp>
#include <bullpen/listen_options.hpp>
#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Clients in the kernel's accept queue that nobody has accepted yet, or datagrams that nobody has received,
/// and how many it may hold.
struct ListenQueue {
    unsigned length = 0;
    unsigned limit = 0;
};

/// About how many datagrams are in a queue of which the kernel tells only its memory and the size of the next
/// one: as many as if all were of that size. The kernel takes some 800 bytes for each besides.
constexpr ListenQueue queue_of_datagrams(std::size_t bytes, std::size_t bytes_max,
                                         std::size_t next) noexcept {
    constexpr std::size_t overhead = 832;
    const std::size_t each = next + overhead;
    return {.length = static_cast<unsigned>((bytes + each - 1) / each),
            .limit = static_cast<unsigned>(bytes_max / each)};
}

/// Owns a socket that listens, or one for datagrams that is bound, and, for a UNIX socket, its file. The
/// process that opened it (the master) destroys it; forked children leave through _exit() and so never remove
/// the file.
class Listener {
public:
    /// Binds and listens: SO_REUSEADDR, IPV6_V6ONLY always on, CLOEXEC, blocking. A UNIX socket's file is
    /// replaced only if it is a socket, owned by this user, and nobody answers on it; two starting servers
    /// exclude each other by a SocketLock. A port whose present listener is stopping in order
    /// (stop_new_clients) may be taken over by the same user; any other taken port or name throws, after
    /// half a second of tries (a predecessor's orphan may still be leaving). A socket for datagrams doesn't
    /// listen and shares its address with nobody. Throws std::system_error, one sentence.
    static Listener open(const Address& address, const ListenOptions& options);

    /// Takes over a listening socket that another process of this server has opened so, with its file.
    static Listener adopt(UniqueFd socket) noexcept;

    /// The same without its file: it may still be another's, until own_file() takes it over.
    static Listener adopt_twin(UniqueFd socket) noexcept;

    /// A second owner of the same socket, on a descriptor of its own and without its file, which own_file()
    /// takes over later. Throws std::system_error.
    [[nodiscard]] Listener twin() const;
    void own_file() noexcept;

    /// Another process of this server has removed its file: one at its path is another's.
    void disown_file() noexcept { file_.reset(); }

    /// Leaves the socket, and its file, to its twin.
    void leave_to_twin() noexcept {
        file_.reset();
        fd_.reset();
    }

    Listener(Listener&& other) noexcept = default;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    /// Closes it before its end; its address stays known. Clients in the backlog are reset.
    void close() noexcept;

    /// Another process with the same descriptor table has closed it, with its file: only forgets both.
    void forget() noexcept {
        (void)fd_.release();
        file_.reset();
    }

    [[nodiscard]] bool is_closed() const noexcept { return !fd_; }

    /// Changes what can be changed while it is open: backlog, defer_accept, unix_mode.
    void change(const ListenOptions& options) noexcept;

    /// Whether `socket` was accepted from it, by its own address.
    [[nodiscard]] bool has_accepted(int socket) const noexcept;

    /// The bound address: the real port where 0 was asked for.
    [[nodiscard]] const Address& address() const noexcept { return address_; }

    /// From the kernel: TCP_INFO (no lock taken), SO_MEMINFO for UDP, or sock_diag(7) for a UNIX socket.
    /// Nothing if it won't say, as of a UNIX socket for datagrams.
    [[nodiscard]] std::optional<ListenQueue> queue() const noexcept;

    /// The queue's length; of one that the kernel doesn't tell, 1 if it isn't empty.
    [[nodiscard]] unsigned waiting() const noexcept;

    /// Datagrams that the kernel has thrown away since the socket was opened, for want of room (UDP; at a
    /// UNIX socket senders wait) or because it lets in no more; SO_RXQ_OVFL tells the same number.
    [[nodiscard]] std::uint64_t dropped() const noexcept;

    [[nodiscard]] bool is_for_datagrams() const noexcept { return address_.type() == SOCK_DGRAM; }

    /// Whether at least one client waits in the backlog, or a datagram (poll(2)).
    [[nodiscard]] bool has_clients() const noexcept;

    void set_nonblocking(bool nonblocking) noexcept;

    /// From here on no new client gets in, and those already in the backlog can still be accepted: TCP SYNs
    /// are dropped by a socket filter (the client's retry reaches a successor, which may bind from now on), a
    /// UNIX socket's file is removed. One without a file is shut down: it refuses clients, and once its
    /// backlog is empty accept(2) fails with EINVAL; a successor can't bind before it is closed. A socket for
    /// datagrams gets no more of them. Closing instead would reset everyone in the backlog.
    void stop_new_clients() noexcept;

    /// Lets sibling listeners of the same user bind this port beside this one; the kernel then deals the
    /// clients out among them by a hash of their addresses (SO_REUSEPORT, socket(7)).
    void share_port() noexcept;

    /// A listener on the same port with a backlog, or a queue of datagrams, of its own. share_port() first.
    /// Throws std::system_error.
    [[nodiscard]] Listener open_sibling(const ListenOptions& options) const;

    /// stop_new_clients() for one of several siblings while the others serve on: a client whose SYN the
    /// kernel assigns to it meanwhile tries again a second later, and a datagram is lost. Close it soon.
    void stop_as_sibling() noexcept;

    /// The part of stop_new_clients that concerns TCP and datagrams, for a process that only borrows the
    /// socket. Async-signal-safe.
    static void drop_new_clients(int fd) noexcept;

private:
    Listener(UniqueFd fd, Address address) noexcept : fd_{std::move(fd)}, address_{address} {}
    void remove_socket_file() noexcept;

    UniqueFd fd_;
    Address address_;
    std::optional<ino_t> file_;  ///< The socket file we made, until we have removed it.
    dev_t file_device_ = 0;
};

/// Opens a listener for every address that `text` stands for (see resolve), or none; with port 0 the kernel
/// chooses one port for all. Of a name's several addresses those that this machine doesn't have (no IPv6) are
/// left out and logged, as long as there is one that it has. Throws as Listener::open() does; of several
/// addresses the sentence says which one failed.
std::vector<Listener> open_listeners(std::string_view text, const ListenOptions& options);
/// The same with the addresses that `text` stands for.
std::vector<Listener> open_listeners(const std::vector<Address>& addresses, std::string_view text,
                                     const ListenOptions& options);

}  // namespace bullpen
