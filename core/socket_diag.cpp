#include "core/socket_diag.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <vector>

#include <bullpen/unique_fd.hpp>

namespace bullpen {
namespace {

constexpr std::array<std::string_view, socket_states> state_names = {
    "established", "syn_sent",   "syn_received", "fin_wait_1", "fin_wait_2", "time_wait",
    "close",       "close_wait", "last_ack",     "listen",     "closing"};

constexpr std::array<std::string_view, 5> timer_names = {"none", "retransmission", "keep_alive", "time_wait",
                                                         "zero_window_probe"};

[[noreturn]] void fail(int error) {
    throw std::system_error{error, std::generic_category(), "cannot list the sockets (sock_diag)"};
}

/// What a socket for netlink receives; the kernel makes its pieces no larger than the reader's buffer.
using Bytes = std::vector<char>;

template <typename Value>
Value read_as(std::span<const char> bytes) noexcept {
    Value value{};
    std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
    return value;
}

/// Calls visit(type, value) for each attribute.
template <typename Visit>
void for_each_attribute(std::span<const char> bytes, Visit visit) {
    while (bytes.size() >= sizeof(nlattr)) {
        const auto head = read_as<nlattr>(bytes);
        if (head.nla_len < NLA_HDRLEN || head.nla_len > bytes.size()) return;
        visit(head.nla_type, bytes.subspan(NLA_HDRLEN, head.nla_len - std::size_t{NLA_HDRLEN}));
        bytes = bytes.subspan(std::min<std::size_t>(NLA_ALIGN(head.nla_len), bytes.size()));
    }
}

/// A question to the kernel, answered by one message for each socket.
template <typename Request>
Bytes question(const Request& request, std::span<const char> attributes = {}) {
    nlmsghdr head{};
    head.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof request) + attributes.size());
    head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    Bytes bytes(NLMSG_LENGTH(sizeof request));
    std::memcpy(bytes.data(), &head, sizeof head);
    std::memcpy(bytes.data() + NLMSG_HDRLEN, &request, sizeof request);
    bytes.insert(bytes.end(), attributes.begin(), attributes.end());
    return bytes;
}

/// Calls visit(bytes) for each socket's message.
template <typename Visit>
void ask(const Bytes& question, Visit visit) {
    const UniqueFd kernel{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
    if (!kernel || ::send(kernel.get(), question.data(), question.size(), 0) < 0) fail(errno);
    Bytes buffer(128 * 1024);
    for (;;) {
        const ssize_t received = ::recv(kernel.get(), buffer.data(), buffer.size(), 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) fail(received < 0 ? errno : EPROTO);
        std::span<const char> rest{buffer.data(), static_cast<std::size_t>(received)};
        while (rest.size() >= sizeof(nlmsghdr)) {
            const auto head = read_as<nlmsghdr>(rest);
            if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) fail(EPROTO);
            const std::span<const char> body =
                rest.subspan(NLMSG_HDRLEN, head.nlmsg_len - std::size_t{NLMSG_HDRLEN});
            if (head.nlmsg_type == NLMSG_DONE) return;
            if (head.nlmsg_type == NLMSG_ERROR) fail(-read_as<nlmsgerr>(body).error);
            visit(body);
            rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), rest.size()));
        }
    }
}

void append(Bytes& bytes, const inet_diag_bc_op& operation) {
    const auto* const begin = reinterpret_cast<const char*>(&operation);
    bytes.insert(bytes.end(), begin, begin + sizeof operation);
}

/// The kernel's program that takes a socket with one of the ports: each port is compared; if it is the one, a
/// jump leads to the program's end ("taken"), else the next comparison follows. Behind the last one lies "not
/// taken".
Bytes filter_of(std::span<const std::uint16_t> ports) {
    constexpr std::size_t comparison = 2 * sizeof(inet_diag_bc_op);
    constexpr std::size_t jump = sizeof(inet_diag_bc_op);
    const std::size_t size = ports.size() * (comparison + jump) - jump;
    Bytes program(sizeof(nlattr));
    for (std::size_t at = 0; const std::uint16_t port : ports) {
        append(program, {.code = INET_DIAG_BC_S_EQ,
                         .yes = static_cast<unsigned char>(comparison),
                         .no = static_cast<unsigned short>(comparison + jump)});
        append(program, {.code = 0, .yes = 0, .no = port});
        at += comparison;
        if (at == size) break;
        append(program, {.code = INET_DIAG_BC_JMP,
                         .yes = static_cast<unsigned char>(jump),
                         .no = static_cast<unsigned short>(size - at)});
        at += jump;
    }
    const nlattr head{.nla_len = static_cast<std::uint16_t>(program.size()),
                      .nla_type = INET_DIAG_REQ_BYTECODE};
    std::memcpy(program.data(), &head, sizeof head);
    return program;
}

Address address_of(int family, const __be32 (&host)[4], __be16 port) noexcept {
    if (family == AF_INET) {
        sockaddr_in address{.sin_family = AF_INET, .sin_port = port, .sin_addr = {host[0]}, .sin_zero = {}};
        return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
    }
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = port;
    std::memcpy(&address.sin6_addr, host, sizeof address.sin6_addr);
    return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

TcpNumbers numbers_of(const tcp_info& info) noexcept {
    return {.rtt = std::chrono::microseconds{info.tcpi_rtt},
            .rtt_var = std::chrono::microseconds{info.tcpi_rttvar},
            .retransmitted = info.tcpi_total_retrans,
            .received_bytes = info.tcpi_bytes_received,
            .acknowledged_bytes = info.tcpi_bytes_acked,
            .since_last_data =
                std::chrono::milliseconds{std::min(info.tcpi_last_data_recv, info.tcpi_last_data_sent)}};
}

SocketRecord ip_record(std::span<const char> body, int type) {
    const auto message = read_as<inet_diag_msg>(body);
    SocketRecord record{
        .state = static_cast<SocketState>(message.idiag_state),
        .local =
            address_of(message.idiag_family, message.id.idiag_src, message.id.idiag_sport).with_type(type),
        .peer = address_of(message.idiag_family, message.id.idiag_dst, message.id.idiag_dport),
        .receive_queue = message.idiag_rqueue,
        .send_queue = message.idiag_wqueue,
        .timer = static_cast<SocketTimer>(message.idiag_timer),
        .expires = std::chrono::milliseconds{message.idiag_expires},
        .inode = message.idiag_inode};
    for_each_attribute(body.subspan(std::min(sizeof message, body.size())),
                       [&](std::uint16_t kind, std::span<const char> value) {
                           if (kind == INET_DIAG_INFO) record.tcp = numbers_of(read_as<tcp_info>(value));
                       });
    return record;
}

/// Of an IP address.
std::span<const char> host_bytes(const Address& address) noexcept {
    const auto* const bytes = reinterpret_cast<const char*>(address.data());
    if (address.family() == AF_INET) return {bytes + offsetof(sockaddr_in, sin_addr), sizeof(in_addr)};
    return {bytes + offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr)};
}

void add_name(SocketRecord& record, std::span<const char> name) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t size = std::min(name.size(), sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), size);
    record.local = Address{reinterpret_cast<const sockaddr*>(&address),
                           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size)}
                       .with_type(record.local.type());
}

}  // namespace

std::string_view name_of(SocketState state) noexcept {
    const auto index = static_cast<std::size_t>(state) - 1;
    return index < state_names.size() ? state_names[index] : "unknown";
}

std::optional<SocketState> socket_state_of(std::string_view name) noexcept {
    const auto* const found = std::find(state_names.begin(), state_names.end(), name);
    if (found == state_names.end()) return {};
    return static_cast<SocketState>(found - state_names.begin() + 1);
}

std::string_view name_of(SocketTimer timer) noexcept {
    const auto index = static_cast<std::size_t>(timer);
    return index < timer_names.size() ? timer_names[index] : "unknown";
}

void visit_ip_sockets(int protocol, std::span<const Address> local, TcpDetail detail,
                      const std::function<void(const SocketRecord&)>& visit) {
    const int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    for (const int family : {AF_INET, AF_INET6}) {
        std::vector<std::uint16_t> ports;
        for (const Address& address : local)
            if (address.family() == family) ports.push_back(address.port());
        if (ports.empty()) continue;
        inet_diag_req_v2 request{};
        request.sdiag_family = static_cast<std::uint8_t>(family);
        request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
        if (detail == TcpDetail::numbers) request.idiag_ext = 1U << (INET_DIAG_INFO - 1);
        request.idiag_states = ~0U;
        ask(question(request, filter_of(ports)),
            [&](std::span<const char> body) { visit(ip_record(body, type)); });
    }
}

void visit_unix_sockets(const std::function<void(const SocketRecord&)>& visit) {
    unix_diag_req request{};
    request.sdiag_family = AF_UNIX;
    request.udiag_states = ~0U;
    request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN;
    ask(question(request), [&](std::span<const char> body) {
        const auto message = read_as<unix_diag_msg>(body);
        SocketRecord record{.state = static_cast<SocketState>(message.udiag_state),
                            .local = Address{}.with_type(message.udiag_type),
                            .inode = message.udiag_ino};
        for_each_attribute(body.subspan(std::min(sizeof message, body.size())),
                           [&](std::uint16_t type, std::span<const char> value) {
                               if (type == UNIX_DIAG_NAME) add_name(record, value);
                               if (type != UNIX_DIAG_RQLEN) return;
                               const auto lengths = read_as<unix_diag_rqlen>(value);
                               record.receive_queue = lengths.udiag_rqueue;
                               record.send_queue = lengths.udiag_wqueue;
                           });
        if (record.local.family() == AF_UNIX) visit(record);
    });
}

bool is_of_listener(const Address& local, const Address& listener) noexcept {
    if (local.family() != listener.family()) return false;
    if (local.family() == AF_UNIX) return local.type() == listener.type() && local.text() == listener.text();
    if (local.port() != listener.port()) return false;
    const std::span<const char> at = host_bytes(listener);
    const bool everywhere = std::all_of(at.begin(), at.end(), [](char byte) { return byte == 0; });
    return everywhere || std::ranges::equal(at, host_bytes(local));
}

}  // namespace bullpen
