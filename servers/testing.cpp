#include <bullpen/testing.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "core/second_thread.hpp"
#include "servers/server_pools.hpp"

namespace bullpen::testing {
namespace {

constexpr std::chrono::seconds patience{10};

/// Says which kind of socket has an address.
struct KindMark {
    char mark;
    int type;
    int protocol;
};
constexpr KindMark kind_marks[] = {
    {'\0', SOCK_STREAM, 0}, {'c', SOCK_STREAM, IPPROTO_SCTP}, {'s', SOCK_SEQPACKET, 0}, {'d', SOCK_DGRAM, 0}};

char mark_of(const Address& address) noexcept {
    for (const KindMark& one : kind_marks)
        if (one.type == address.type() && one.protocol == address.protocol()) return one.mark;
    return '\0';
}

Address of_kind(char mark, const Address& address) noexcept {
    for (const KindMark& one : kind_marks)
        if (one.mark == mark) return address.with_type(one.type).with_protocol(one.protocol);
    return address;
}

[[noreturn]] void fail(const char* what) {
    throw std::system_error{errno, std::generic_category(), what};
}

void append(std::string& to, const std::string& pool, const Address& address) {
    const socklen_t size = address.size();
    to += pool + '\0';
    to += mark_of(address);
    to.append(reinterpret_cast<const char*>(&size), sizeof size);
    to.append(reinterpret_cast<const char*>(address.data()), size);
}

/// The size of what follows, then for each address the pool's name, a NUL byte, the address's size and the
/// address; metrics have no pool. Before the size a byte says which type of socket has it.
void write_addresses(int to, const BoundAddresses& bound) {
    std::string bytes(sizeof(std::uint32_t), '\0');
    for (const BoundAddress& one : bound.pools)
        append(bytes, one.pool, one.address);
    for (const Address& one : bound.metrics)
        append(bytes, {}, one);
    const auto following = static_cast<std::uint32_t>(bytes.size() - sizeof(std::uint32_t));
    std::memcpy(bytes.data(), &following, sizeof following);
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t size = ::write(to, bytes.data() + done, bytes.size() - done);
        if (size < 0 && errno != EINTR) fail("cannot tell the test the server's addresses");
        if (size > 0) done += static_cast<std::size_t>(size);
    }
}

/// Until the other side has closed, or `is_whole`. Throws std::runtime_error if that takes too long.
std::string read_all(
    int from, bool (*is_whole)(std::string_view) = [](std::string_view) { return false; }) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    std::string all;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd readable{.fd = from, .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) == 0)
            throw std::runtime_error{"the server has said nothing for 10 s"};
        std::array<char, 4096> buffer;
        const ssize_t size = ::read(from, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) fail("cannot read what the server says");
        if (size == 0) return all;
        all.append(buffer.data(), static_cast<std::size_t>(size));
        if (is_whole(all)) return all;
    }
}

bool has_all_addresses(std::string_view bytes) {
    std::uint32_t following = 0;
    if (bytes.size() < sizeof following) return false;
    std::memcpy(&following, bytes.data(), sizeof following);
    return bytes.size() == sizeof following + following;
}

/// None, if the server has ended before it had said all.
BoundAddresses read_addresses(std::string_view bytes) {
    BoundAddresses bound;
    if (!has_all_addresses(bytes)) return bound;
    bytes.remove_prefix(sizeof(std::uint32_t));
    while (!bytes.empty()) {
        const std::string pool{bytes.substr(0, bytes.find('\0'))};
        bytes.remove_prefix(pool.size() + 1);
        const char mark = bytes.front();
        bytes.remove_prefix(1);
        socklen_t size = 0;
        std::memcpy(&size, bytes.data(), sizeof size);
        sockaddr_storage copy{};
        std::memcpy(&copy, bytes.data() + sizeof size, size);
        bytes.remove_prefix(sizeof size + size);
        const Address address = of_kind(mark, Address{reinterpret_cast<const sockaddr*>(&copy), size});
        if (pool.empty())
            bound.metrics.push_back(address);
        else
            bound.pools.push_back({pool, address});
    }
    return bound;
}

UniqueFd connect_to(const Address& address) {
    UniqueFd socket{::socket(address.family(), address.type() | SOCK_CLOEXEC, address.protocol())};
    if (!socket) fail("cannot create a socket");
    const timeval timeout{.tv_sec = patience.count(), .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    sockaddr nameless{};
    nameless.sa_family = AF_UNIX;  // Of a socket without a name no datagram is answered.
    if (address.family() == AF_UNIX && address.type() == SOCK_DGRAM &&
        ::bind(socket.get(), &nameless, sizeof nameless.sa_family) != 0)
        fail("cannot name a socket");
    if (::connect(socket.get(), address.data(), address.size()) != 0) fail("cannot connect to the server");
    return socket;
}

/// The answer to one datagram.
std::string ask_by_datagram(int socket, std::string_view bytes) {
    if (::send(socket, bytes.data(), bytes.size(), 0) < 0) fail("cannot send the server a datagram");
    constexpr std::size_t longest = 65'535;
    std::string answer(longest, '\0');
    const ssize_t size = ::recv(socket, answer.data(), answer.size(), 0);
    if (size < 0) throw std::runtime_error{"the server has answered nothing for 10 s"};
    answer.resize(static_cast<std::size_t>(size));
    return answer;
}

std::string ask_at(const Address& address, std::string_view bytes) {
    const UniqueFd socket = connect_to(address);
    if (address.type() == SOCK_DGRAM) return ask_by_datagram(socket.get(), bytes);
    while (!bytes.empty()) {
        const ssize_t size = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) break;  // What it has answered before is there to be read.
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    ::shutdown(socket.get(), SHUT_WR);
    return read_all(socket.get());
}

/// Makes the server one whose addresses are free, so that tests can run side by side, and are told to `test`.
Server prepared(Server server, std::vector<Part>& parts, int test) {
    std::function<void(const BoundAddresses&)> on_ready;
    for (Part& part : parts) {
        part.options.metrics = "127.0.0.1:0";
        for (std::string& listen : part.options.listen)
            if (!listen.starts_with("unix:") && !listen.starts_with("seqpacket:") &&
                !listen.starts_with("unixgram:"))
                listen = listen.substr(0, listen.rfind(':')) + ":0";
        if (part.options.on_ready) on_ready = std::exchange(part.options.on_ready, nullptr);
    }
    if (!parts.empty())
        parts.front().options.on_ready = [on_ready = std::move(on_ready), test](const BoundAddresses& bound) {
            write_addresses(test, bound);
            if (on_ready) on_ready(bound);
        };
    return server;
}

double sum_of(std::string_view scrape, std::string_view name, std::string_view label) {
    double sum = 0;
    while (!scrape.empty()) {
        const std::string line{scrape.substr(0, scrape.find('\n'))};
        scrape.remove_prefix(std::min(scrape.size(), line.size() + 1));
        const bool is_it = line.starts_with(name) && line.size() > name.size() &&
                           (line[name.size()] == '{' || line[name.size()] == ' ');
        if (is_it && line.find(label) != std::string::npos)
            sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
    }
    return sum;
}

}  // namespace

TestServer::TestServer(Server server) {
    start([&](int test) {
        std::vector<Part>& parts = server.pools_->parts;
        return prepared(std::move(server), parts, test).run();
    });
}

TestServer::TestServer(const std::function<Server()>& make) {
    start([&](int test) {
        return serve([&] {
            Server server = make();
            std::vector<Part>& parts = server.pools_->parts;
            return prepared(std::move(server), parts, test);
        });
    });
}

void TestServer::start(const std::function<int(int test)>& serve) {
    if (has_second_thread())
        throw std::logic_error{
            "the test has a second thread; start the server before the first one is started"};
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail("cannot create a pipe");
    UniqueFd ours{ends[0]};
    UniqueFd theirs{ends[1]};
    std::fflush(nullptr);  // Or the server would write it again.
    const pid_t test = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail("cannot start the server's process");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != test) ::_exit(EXIT_FAILURE);
        ours.reset();
        const int status = serve(theirs.get());
        std::fflush(nullptr);
        ::_exit(status);
    }
    theirs.reset();
    try {
        bound_ = read_addresses(read_all(ours.get(), has_all_addresses));
    } catch (...) {
        stop();
        throw;
    }
    if (bound_.pools.empty())
        throw std::runtime_error{"the server did not start; its exit status is " + std::to_string(wait())};
}

TestServer::~TestServer() {
    stop();
}

const Address& TestServer::address(std::string_view pool) const {
    for (const BoundAddress& one : bound_.pools)
        if (pool.empty() || one.pool == pool) return one.address;
    throw std::out_of_range{"the server has no pool '" + std::string{pool} + "'"};
}

UniqueFd TestServer::connect(std::string_view pool) const {
    return connect_to(address(pool));
}

std::string TestServer::ask(std::string_view bytes, std::string_view pool) const {
    return ask_at(address(pool), bytes);
}

std::string TestServer::ask_metrics(std::string_view path) const {
    return ask_at(bound_.metrics.at(0), "GET " + std::string{path} + " HTTP/1.0\r\n\r\n");
}

double TestServer::metric(std::string_view name, std::string_view label) const {
    return sum_of(ask_metrics("/metrics"), name, label);
}

int TestServer::stop() {
    if (pid_ != 0) ::kill(pid_, SIGTERM);
    return wait();
}

int TestServer::wait() {
    if (pid_ == 0) return status_;
    constexpr int killed_by = 128;  // As a shell says it.
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
        continue;
    pid_ = 0;
    return status_ = WIFEXITED(status) ? WEXITSTATUS(status) : killed_by + WTERMSIG(status);
}

}  // namespace bullpen::testing
