#include "core/listener.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sctp.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <system_error>

#include "core/socket_lock.hpp"
#include "core/start_wait.hpp"

#include "core/log.hpp"
#include "core/resolve.hpp"

namespace bullpen {
namespace {

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error{error, std::generic_category(), what};
}

template <typename Value>
void set_option(int fd, int level, int name, const Value& value, const char* what) {
    if (::setsockopt(fd, level, name, &value, sizeof value) != 0) fail(errno, what);
}

timeval to_timeval(std::chrono::milliseconds span) {
    return {.tv_sec = span.count() / 1000, .tv_usec = (span.count() % 1000) * 1000};
}

/// 0 but for SCTP. Async-signal-safe.
int protocol_of(int fd) noexcept {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    return protocol == IPPROTO_SCTP ? protocol : 0;
}

UniqueFd new_socket(const Address& address) {
    UniqueFd fd{::socket(address.family(), address.type() | SOCK_CLOEXEC, address.protocol())};
    if (!fd && errno == EPROTONOSUPPORT)
        fail(errno, "cannot listen on " + address.text() + ", this kernel has no SCTP");
    if (!fd) fail(errno, "cannot create a socket");
    return fd;
}

void set_reuse_port(int fd) noexcept {
    constexpr int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

bool bind_to(int fd, const Address& address) noexcept {
    return ::bind(fd, address.data(), address.size()) == 0;
}

/// Whether somebody answers at the address within a moment. A stopping server's filter drops our SYN.
bool answers(const Address& address) {
    const UniqueFd probe{
        ::socket(address.family(), address.type() | SOCK_CLOEXEC | SOCK_NONBLOCK, address.protocol())};
    if (::connect(probe.get(), address.data(), address.size()) == 0) return true;
    // A UNIX socket with a full backlog is very much alive, and so is one of another type.
    if (errno == EAGAIN || errno == EPROTOTYPE) return true;
    if (errno != EINPROGRESS) return false;
    constexpr int patience_ms = 100;  // A living listener's kernel answers a local SYN in microseconds.
    pollfd writable{.fd = probe.get(), .events = POLLOUT, .revents = 0};
    if (::poll(&writable, 1, patience_ms) != 1) return false;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(probe.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0;
}

/// Binds beside a predecessor that is stopping: it has let us in by then (let_successor_in), which a serving
/// one has not. The kernel remembers a port that was once shared, so that success alone doesn't prove that
/// nobody serves there; only then the port is probed.
bool bind_as_successor(UniqueFd& fd, const Address& address) {
    set_reuse_port(fd.get());
    if (!bind_to(fd.get(), address)) return false;
    if (!answers(address)) return true;
    errno = EADDRINUSE;
    return false;
}

/// After listen(): new clients go to this listener, and from here on the port is taken again. On an IPv4 port
/// it is the first that the kernel finds. On an IPv6 port it is in a group with the stopping one, by hash: of
/// the two members the second is the newer.
void claim_port(int fd, int family) noexcept {
    sock_filter newest[] = {BPF_STMT(BPF_RET | BPF_K, 1)};
    const sock_fprog choose{.len = std::size(newest), .filter = newest};
    if (family == AF_INET6) ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &choose, sizeof choose);
    constexpr int off = 0;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
}

/// Of a listener that drops new SYNs: from here on a successor may bind the port. On an IPv4 port the kernel
/// is made to remember that the port was shared, and the listener doesn't share it: so the successor's,
/// however many, are a group apart and find each other only. Async-signal-safe.
void let_successor_in(int fd) noexcept {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    set_reuse_port(fd);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
    if (bound.ss_family != AF_INET || protocol_of(fd) == IPPROTO_SCTP) return;
    const int sharer = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sharer < 0) return;
    constexpr int on = 1;
    ::setsockopt(sharer, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    set_reuse_port(sharer);
    const bool shared = ::bind(sharer, reinterpret_cast<const sockaddr*>(&bound), size) == 0;
    ::close(sharer);
    constexpr int off = 0;
    if (shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
}

template <std::size_t size>
void attach_filter(int fd, sock_filter (&program)[size]) noexcept {
    const sock_fprog filter{.len = size, .filter = program};
    ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

/// Of SCTP's listener: no new association begins. The filter sees the packet from its first chunk on.
void attach_init_filter(int fd) noexcept {
    constexpr unsigned init = 1;  // RFC 9260, 3.2.
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, init, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, ~0U),  // Whatever completes a handshake already begun.
    };
    attach_filter(fd, program);
}

void attach_syn_filter(int fd) noexcept {
    constexpr unsigned flags_offset = 13;  // The filter sees the segment from its TCP header on.
    constexpr unsigned syn = 0x02;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_offset), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, syn, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, ~0U),  // Whatever completes a handshake already begun.
    };
    attach_filter(fd, program);
}

void filter_new_clients(int fd) noexcept {
    if (protocol_of(fd) == IPPROTO_SCTP)
        attach_init_filter(fd);
    else
        attach_syn_filter(fd);
}

std::string privileged_port_hint(const Address& address) {
    constexpr int unprivileged_from = 1024;
    return errno == EACCES && address.port() < unprivileged_from
               ? " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)"
               : "";
}

void set_tcp_options(int fd, const ListenOptions& options) {
    constexpr int on = 1;
    if (options.no_delay) set_option(fd, IPPROTO_TCP, TCP_NODELAY, on, "TCP_NODELAY");
    if (options.unsent_max > 0)
        set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.unsent_max, "TCP_NOTSENT_LOWAT");
    if (options.defer_accept.count() > 0) {
        const int seconds = static_cast<int>(options.defer_accept.count());
        set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds, "TCP_DEFER_ACCEPT");
    }
}

/// With everything that a client's socket is to inherit.
UniqueFd new_stream_socket(const Address& address, const ListenOptions& options) {
    constexpr int on = 1;
    UniqueFd fd = new_socket(address);
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, on, "SO_REUSEADDR");
    if (address.family() == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, on, "IPV6_V6ONLY");
    set_option(fd.get(), SOL_SOCKET, SO_RCVTIMEO, to_timeval(options.slice), "SO_RCVTIMEO");
    set_option(fd.get(), SOL_SOCKET, SO_SNDTIMEO, to_timeval(options.slice), "SO_SNDTIMEO");
    if (address.protocol() != IPPROTO_SCTP)
        set_tcp_options(fd.get(), options);
    else if (options.no_delay)
        set_option(fd.get(), IPPROTO_SCTP, SCTP_NODELAY, on, "SCTP_NODELAY");
    return fd;
}

UniqueFd open_stream(const Address& address, const ListenOptions& options) {
    UniqueFd fd = new_stream_socket(address, options);
    bool successor = false;
    if (!bind_to(fd.get(), address)) {
        if (errno == EADDRINUSE) successor = bind_as_successor(fd, address);
        if (!successor) fail(errno, "cannot listen on " + address.text() + privileged_port_hint(address));
    }
    if (::listen(fd.get(), options.backlog) != 0) fail(errno, "cannot listen on " + address.text());
    if (successor) claim_port(fd.get(), address.family());
    // With more than one stopping predecessor on an IPv6 port its clients would still go to them.
    if (successor && address.family() == AF_INET6 && !answers(address))
        fail(EADDRINUSE, "cannot listen on " + address.text());
    return fd;
}

UniqueFd new_datagram_socket(const Address& address, const ListenOptions& options) {
    constexpr int on = 1;
    UniqueFd fd = new_socket(address);
    if (address.family() == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, on, "IPV6_V6ONLY");
    set_option(fd.get(), SOL_SOCKET, SO_RCVTIMEO, to_timeval(options.slice), "SO_RCVTIMEO");
    return fd;
}

UniqueFd open_datagram(const Address& address, const ListenOptions& options) {
    UniqueFd fd = new_datagram_socket(address, options);
    if (!bind_to(fd.get(), address))
        fail(errno, "cannot listen on " + address.text() + privileged_port_hint(address));
    return fd;
}

/// Of a socket for datagrams: what hasn't come yet is dropped.
void drop_new_datagrams(int fd) noexcept {
    sock_filter program[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    attach_filter(fd, program);
}

bool listens(int fd, const Address& address, const ListenOptions& options) noexcept {
    return address.type() == SOCK_DGRAM || ::listen(fd, options.backlog) == 0;
}

/// Removes a socket file that a dead server left behind. Anything else that is in the way is an error.
void remove_dead_socket(const Address& address) {
    const std::string path = address.path();
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) return;
    if (!S_ISSOCK(file.st_mode))
        fail(EEXIST, "cannot listen on " + address.text() + ", which is not a socket");
    if (file.st_uid != ::geteuid())
        fail(EACCES, "cannot replace " + address.text() + ", another user's socket");
    if (answers(address)) fail(EADDRINUSE, "cannot listen on " + address.text());
    if (::unlink(path.c_str()) != 0) fail(errno, "cannot remove the old socket " + path);
}

/// A name without a file goes with its socket: there is nothing to lock, to replace or to remove.
UniqueFd open_abstract(const Address& address, const ListenOptions& options) {
    UniqueFd fd = new_socket(address);
    if (!bind_to(fd.get(), address) || !listens(fd.get(), address, options))
        fail(errno, "cannot listen on " + address.text());
    return fd;
}

UniqueFd open_unix(const Address& address, const ListenOptions& options) {
    const SocketLock lock{address.path(), options.lock_patience};
    remove_dead_socket(address);
    UniqueFd fd = new_socket(address);
    ::fchmod(fd.get(), options.unix_mode);  // The file is born with these bits less the umask,
    if (!bind_to(fd.get(), address)) fail(errno, "cannot listen on " + address.text());
    ::chmod(address.path().c_str(), options.unix_mode);  // and never has more.
    if (!listens(fd.get(), address, options)) fail(errno, "cannot listen on " + address.text());
    return fd;
}

std::optional<ListenQueue> unix_queue(int fd) noexcept {
    struct stat socket {};
    if (::fstat(fd, &socket) != 0) return {};
    const UniqueFd diag{::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG)};
    struct {
        nlmsghdr header;
        unix_diag_req request;
    } ask{};
    ask.header.nlmsg_len = sizeof ask;
    ask.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    ask.header.nlmsg_flags = NLM_F_REQUEST;
    ask.request.sdiag_family = AF_UNIX;
    ask.request.udiag_states = ~0U;
    ask.request.udiag_ino = static_cast<std::uint32_t>(socket.st_ino);
    ask.request.udiag_show = UDIAG_SHOW_RQLEN;
    ask.request.udiag_cookie[0] = ask.request.udiag_cookie[1] = ~0U;
    if (::send(diag.get(), &ask, sizeof ask, 0) != sizeof ask) return {};

    alignas(nlmsghdr) std::array<char, 512> answer{};
    const ssize_t size = ::recv(diag.get(), answer.data(), answer.size(), 0);
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(unix_diag_msg))) ||
        header->nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return {};
    std::size_t at = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(unix_diag_msg)));
    while (at + sizeof(nlattr) <= static_cast<std::size_t>(size)) {
        nlattr attribute{};
        std::memcpy(&attribute, answer.data() + at, sizeof attribute);
        if (attribute.nla_len < NLA_HDRLEN) break;
        if (attribute.nla_type == UNIX_DIAG_RQLEN) {
            unix_diag_rqlen lengths{};
            std::memcpy(&lengths, answer.data() + at + NLA_HDRLEN, sizeof lengths);
            return ListenQueue{lengths.udiag_rqueue, lengths.udiag_wqueue};
        }
        at += NLA_ALIGN(attribute.nla_len);
    }
    return {};
}

/// The sentence without what the error number says, which a system_error adds by itself.
std::string sentence_of(const std::system_error& error) {
    std::string sentence = error.what();
    const std::string reason = ": " + error.code().message();
    if (sentence.ends_with(reason)) sentence.erase(sentence.size() - reason.size());
    return sentence;
}

bool is_absent(const std::system_error& error) {
    return error.code() == std::errc::address_not_available ||
           error.code() == std::errc::address_family_not_supported;
}

/// Of several addresses the sentence also says what they are the addresses of.
[[noreturn]] void fail_one_of(std::size_t addresses, std::string_view text, const std::system_error& error) {
    if (addresses == 1) throw error;
    fail(error.code().value(), std::string{text} + " stands for " + std::to_string(addresses) +
                                   " addresses: " + sentence_of(error));
}

std::vector<Listener> open_each(const std::vector<Address>& addresses, std::string_view text,
                                const ListenOptions& options) {
    std::vector<Listener> listeners;
    std::string absent;
    for (const Address& address : addresses) {
        const std::uint16_t chosen = listeners.empty() ? 0 : listeners.front().address().port();
        try {
            listeners.push_back(
                Listener::open(address.port() == 0 ? address.with_port(chosen) : address, options));
        } catch (const std::system_error& error) {
            const bool last_hope = &address == &addresses.back() && listeners.empty();
            if (!is_absent(error) || last_hope) fail_one_of(addresses.size(), text, error);
            absent += (absent.empty() ? "" : ", ") + address.text();
        }
    }
    if (!absent.empty())
        log(LogLevel::info, "listener: of " + std::string{text} +
                                " these addresses are left out, which this machine doesn't have: " + absent);
    return listeners;
}

UniqueFd open_socket(const Address& address, const ListenOptions& options) {
    if (address.family() == AF_UNIX) return open_abstract(address, options);
    return address.type() == SOCK_DGRAM ? open_datagram(address, options) : open_stream(address, options);
}

using SocketMemory = std::array<std::uint32_t, SK_MEMINFO_VARS>;

std::optional<SocketMemory> memory_of(int fd) noexcept {
    SocketMemory numbers{};
    socklen_t size = sizeof numbers;
    if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers.data(), &size) != 0) return {};
    return numbers;
}

std::optional<ListenQueue> udp_queue(int fd) noexcept {
    const std::optional<SocketMemory> memory = memory_of(fd);
    int next = 0;
    if (!memory || ::ioctl(fd, SIOCINQ, &next) != 0) return {};
    return queue_of_datagrams((*memory)[SK_MEMINFO_RMEM_ALLOC], (*memory)[SK_MEMINFO_RCVBUF],
                              static_cast<std::size_t>(std::max(next, 0)));
}

std::optional<ListenQueue> tcp_queue(int fd) noexcept {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
    return ListenQueue{info.tcpi_unacked, info.tcpi_sacked};  // What these two mean for a listening socket.
}

}  // namespace

Listener Listener::open(const Address& address, const ListenOptions& options) {
    if (!address.path().empty()) {
        Listener listener{open_unix(address, options), address};
        listener.own_file();
        return listener;
    }
    constexpr int tries = 10;
    constexpr std::chrono::milliseconds pause{50};
    for (int attempt = 1;; ++attempt) {
        try {
            UniqueFd fd = open_socket(address, options);
            const Address bound =
                Address::of_socket(fd.get()).with_type(address.type()).with_protocol(address.protocol());
            return {std::move(fd), bound};
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::address_in_use || attempt == tries) throw;
            pause_start(pause);
        }
    }
}

Listener Listener::adopt(UniqueFd socket) noexcept {
    Listener listener = adopt_twin(std::move(socket));
    listener.own_file();
    return listener;
}

Listener Listener::adopt_twin(UniqueFd socket) noexcept {
    int type = SOCK_STREAM;
    socklen_t size = sizeof type;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size);
    const Address address =
        Address::of_socket(socket.get()).with_type(type).with_protocol(protocol_of(socket.get()));
    return {std::move(socket), address};
}

Listener Listener::twin() const {
    UniqueFd socket{::fcntl(fd(), F_DUPFD_CLOEXEC, 0)};
    if (!socket) fail(errno, "cannot duplicate the listener " + address_.text());
    return {std::move(socket), address_};
}

Listener::~Listener() {
    close();
}

void Listener::close() noexcept {
    if (fd_) remove_socket_file();
    fd_.reset();
}

void Listener::change(const ListenOptions& options) noexcept {
    if (!is_for_datagrams()) ::listen(fd(), options.backlog);
    const int seconds = static_cast<int>(options.defer_accept.count());
    if (address_.family() == AF_UNIX)
        (void)(address_.path().empty() || ::chmod(address_.path().c_str(), options.unix_mode) == 0);
    else
        ::setsockopt(fd(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

void Listener::own_file() noexcept {
    struct stat file {};
    if (address_.family() != AF_UNIX || ::lstat(address_.path().c_str(), &file) != 0) return;
    file_ = file.st_ino;
    file_device_ = file.st_dev;
}

std::optional<ListenQueue> Listener::queue() const noexcept {
    if (address_.family() != AF_UNIX) return is_for_datagrams() ? udp_queue(fd()) : tcp_queue(fd());
    if (is_for_datagrams()) return {};  // What lies there is accounted to its senders.
    return unix_queue(fd());
}

unsigned Listener::waiting() const noexcept {
    const std::optional<ListenQueue> known = queue();
    return known ? known->length : has_clients() ? 1U : 0U;
}

std::uint64_t Listener::dropped() const noexcept {
    const auto numbers = is_for_datagrams() ? memory_of(fd()) : std::nullopt;
    return numbers ? (*numbers)[SK_MEMINFO_DROPS] : 0;
}

/// One that lets in nobody is readable always, and only its queue tells.
bool Listener::has_clients() const noexcept {
    pollfd readable{.fd = fd(), .events = POLLIN | POLLRDHUP, .revents = 0};
    if (::poll(&readable, 1, 0) != 1) return false;
    return (readable.revents & POLLRDHUP) == 0 || queue().value_or(ListenQueue{}).length > 0;
}

bool Listener::has_accepted(int socket) const noexcept {
    int listens = 1;
    socklen_t size = sizeof listens;
    if (::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens != 0) return false;
    const Address own = Address::of_socket(socket);
    if (own.family() != address_.family() || protocol_of(socket) != address_.protocol()) return false;
    if (own.family() == AF_UNIX) return own.text() == address_.text();
    const bool any = address_.host() == "0.0.0.0" || address_.host() == "::";
    return own.port() == address_.port() && (any || own.host() == address_.host());
}

void Listener::set_nonblocking(bool nonblocking) noexcept {
    const int flags = ::fcntl(fd(), F_GETFL);
    ::fcntl(fd(), F_SETFL, nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void Listener::share_port() noexcept {
    set_reuse_port(fd());
    constexpr int none = 0;  // As a successor it may have one, see claim_port.
    ::setsockopt(fd(), SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof none);
}

Listener Listener::open_sibling(const ListenOptions& options) const {
    UniqueFd fd =
        is_for_datagrams() ? new_datagram_socket(address_, options) : new_stream_socket(address_, options);
    set_reuse_port(fd.get());
    if (!bind_to(fd.get(), address_) || !listens(fd.get(), address_, options))
        fail(errno, "cannot listen on " + address_.text() + " once more");
    return {std::move(fd), address_};
}

void Listener::stop_new_clients() noexcept {
    if (address_.family() != AF_UNIX || is_for_datagrams()) drop_new_clients(fd());
    if (!address_.path().empty()) return remove_socket_file();
    if (address_.family() == AF_UNIX && !is_for_datagrams()) ::shutdown(fd(), SHUT_RD);
}

void Listener::stop_as_sibling() noexcept {
    if (is_for_datagrams())
        drop_new_datagrams(fd());
    else
        filter_new_clients(fd());
}

void Listener::drop_new_clients(int fd) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return;
    if (type == SOCK_DGRAM) return drop_new_datagrams(fd);
    filter_new_clients(fd);
    let_successor_in(fd);
}

/// Never removes a path that is no longer ours: a successor may have put its own socket there.
void Listener::remove_socket_file() noexcept {
    if (!file_) return;
    const std::string path = address_.path();
    std::optional<SocketLock> lock;
    try {
        lock.emplace(path, std::chrono::milliseconds{0});
    } catch (const std::exception&) {  // The master doesn't wait for a starting server.
    }
    struct stat file {};
    if (::lstat(path.c_str(), &file) == 0 && file.st_ino == *file_ && file.st_dev == file_device_)
        ::unlink(path.c_str());
    file_.reset();
}

std::vector<Listener> open_listeners(std::string_view text, const ListenOptions& options) {
    return open_listeners(resolve(text), text, options);
}

std::vector<Listener> open_listeners(const std::vector<Address>& addresses, std::string_view text,
                                     const ListenOptions& options) {
    constexpr int tries = 8;  // The port that the kernel chooses for the first may be taken at another.
    for (int attempt = 1;; ++attempt) {
        try {
            return open_each(addresses, text, options);
        } catch (const std::system_error& error) {
            const bool another_may_do = addresses.size() > 1 && addresses.front().port() == 0 &&
                                        error.code() == std::errc::address_in_use;
            if (!another_may_do || attempt == tries) throw;
        }
    }
}

}  // namespace bullpen
