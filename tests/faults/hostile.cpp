// A user's program whose handlers do what handlers must not do; tests/faults/*_test.py say to what end.
//
//     hostile HANDLER [KEY=VALUE]…
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <bullpen/async_connection.hpp>
#include <bullpen/log.hpp>
#include <bullpen/serve.hpp>

namespace {

using bullpen::Connection;
using bullpen::Next;
using Buffer = std::array<std::byte, 4096>;

std::vector<int> descriptors() {
    std::vector<int> all;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"})
        all.push_back(std::stoi(entry.path().filename().string()));
    return all;
}

int socket_option(int fd, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

std::vector<int> channels() {
    std::vector<int> found;
    for (const int fd : descriptors())
        if (socket_option(fd, SO_TYPE) == SOCK_SEQPACKET) found.push_back(fd);
    return found;
}

std::vector<int> eventfds() {
    std::vector<int> found;
    for (const int fd : descriptors()) {
        std::error_code gone;
        const auto link = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), gone);
        if (link.string().find("[eventfd]") != std::string::npos) found.push_back(fd);
    }
    return found;
}

void set_blocking(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

[[noreturn]] void stay() {
    for (;;)
        ::pause();
}

/// Shared with the test, which reads them in the file that the setting `counters` names.
struct Counters {
    std::atomic<std::uint64_t> begun;  ///< Handlers that were called.
    std::atomic<std::uint64_t> ended;  ///< Handlers that have returned.
};

Counters* counters = nullptr;

void share_counters(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    void* const place = ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (place == MAP_FAILED) throw std::runtime_error{"cannot map " + path};
    counters = static_cast<Counters*>(place);
}

/// Counts a handler, without a system call, from its first instruction to its last.
class Counted {
public:
    Counted() noexcept { counters->begun.fetch_add(1); }
    ~Counted() { counters->ended.fetch_add(1); }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
};

/// The clients' sockets, found without Connection::fd(), which would say that bytes are taken.
std::vector<int> client_sockets() {
    std::vector<int> found;
    for (const int fd : descriptors())
        if (socket_option(fd, SO_TYPE) == SOCK_STREAM && socket_option(fd, SO_ACCEPTCONN) == 0)
            found.push_back(fd);
    return found;
}

constexpr linger at_once{.l_onoff = 1, .l_linger = 0};
constexpr linger in_20_s{.l_onoff = 1, .l_linger = 20};

void wants_close(int socket, const linger& how) {
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &how, sizeof how);
}

/// As much as the kernel takes.
void fill(int socket) {
    static const std::string much(std::size_t{1} << 20U, 'x');
    while (::send(socket, much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

/// Writes 0xff over all that this process can write of the scoreboard.
void scribble() {
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);) {
        if (line.find("memfd:") == std::string::npos || line.find(" rw") == std::string::npos) continue;
        std::uintptr_t from = 0;
        std::uintptr_t to = 0;
        const char* const end = line.data() + line.size();
        const auto dash = std::from_chars(line.data(), end, from, 16);
        std::from_chars(dash.ptr + 1, end, to, 16);
        std::memset(reinterpret_cast<void*>(from), 0xff, to - from);
    }
}

// The handlers.

void echo(Connection& client) {
    Buffer buffer;
    while (const std::size_t size = client.read_some(buffer))
        client.write_all(std::span{buffer}.first(size));
}

/// A child that does what it is told to, lets go of the client, and stays. Returns once that is done.
pid_t leave_child(int client, void (*in_child)()) {
    std::array<int, 2> done{};
    if (::pipe(done.data()) != 0) return -1;
    const pid_t child = ::fork();
    if (child == 0) {
        in_child();
        for (const int fd : {client, done[0], done[1]})
            ::close(fd);
        stay();
    }
    ::close(done[1]);
    char end = 0;
    (void)!::read(done[0], &end, 1);
    ::close(done[0]);
    return child;
}

pid_t kill_child(int client) {
    return leave_child(client, [] { ::raise(SIGTERM); });
}

/// fork() by the bare system call: no pthread_atfork handler runs. The child receives whatever comes.
pid_t clone_thief(int client) {
    const std::vector<int> stolen = channels();
    const auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (child != 0) return child;
    ::close(client);
    ::signal(SIGTERM, SIG_IGN);
    std::vector<pollfd> readable;
    for (const int fd : stolen)
        readable.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    for (;;) {
        if (stolen.size() > 1) ::poll(readable.data(), readable.size(), -1);
        for (const int fd :
             stolen) {  // Of one channel it waits in recv(2): first in the queue, first served.
            std::array<char, 4096> message;
            (void)::recv(fd, message.data(), message.size(), stolen.size() > 1 ? MSG_DONTWAIT : 0);
        }
    }
}

/// Who says `p` gets a child of the worker's and its pid; everybody else an echo.
template <pid_t make_child(int client)>
void make_child_or_echo(Connection& client) {
    Buffer buffer;
    while (const std::size_t size = client.read_some(buffer)) {
        if (buffer[0] == std::byte{'p'})
            client.write_all(std::to_string(make_child(client.fd())) + "\n");
        else
            client.write_all(std::span{buffer}.first(size));
    }
}

boost::asio::awaitable<void> crash_coroutine(bullpen::AsyncConnection&) {
    ::raise(SIGKILL);
    co_return;
}

boost::asio::awaitable<void> kill_child_or_echo(bullpen::AsyncConnection& client) {
    Buffer buffer;
    while (const std::size_t size = co_await client.read_some(buffer)) {
        std::string answer{reinterpret_cast<const char*>(buffer.data()), size};
        if (answer[0] == 'p') answer = std::to_string(kill_child(client.fd())) + "\n";
        co_await client.write_all(answer);
    }
}

/// Makes the shared eventfds blocking, wakes the master by each, and empties it before the master does (whose
/// read(2) the test delays); not by that of stop(), which is the first.
void drains_eventfds(Connection& client) {
    constexpr int tries = 20;
    std::vector<int> shared = eventfds();
    shared.erase(shared.begin());
    for (const int fd : shared) {
        bool stolen = false;
        for (int i = 0; i < tries && !stolen; ++i) {
            set_blocking(fd);
            std::uint64_t count = 1;
            (void)!::write(fd, &count, sizeof count);
            constexpr useconds_t until_the_master_is_awake = 10'000;
            ::usleep(until_the_master_is_awake);
            const iovec place{&count, sizeof count};
            stolen = ::preadv2(fd, &place, 1, -1, RWF_NOWAIT) > 0;
        }
    }
    echo(client);
}

/// Who says `l` is parked with more to take than the kernel holds, and a close that waits for that.
Next lingers(Connection& client) {
    std::array<std::byte, 1> asked{};
    if (client.read_some(asked) == 0) return Next::close;
    if (asked[0] != std::byte{'l'}) {
        client.write_all(asked);
        return Next::close;
    }
    wants_close(client.fd(), in_20_s);
    fill(client.fd());
    return Next::await_input;
}

/// One byte asks for one byte, on a connection that is kept.
Next one_by_one(Connection& client) {
    for (std::array<std::byte, 1> byte;;) {
        const auto seen = client.peek(byte, {.limit = bullpen::Limit::idle});
        if (!seen) return Next::await_input;
        if (seen->size == 0) return Next::close;
        client.take(byte);
        client.write_all(byte);
    }
}

/// `b` and nine bytes more, which have the body limit; or `r` and one byte more, which has the read limit.
Next reads_more(Connection& client) {
    std::array<std::byte, 1> first{};
    const auto seen = client.peek(first, {.limit = bullpen::Limit::idle});
    if (!seen) return Next::await_input;
    if (seen->size == 0) return Next::close;
    client.take(first);
    std::array<std::byte, 9> more{};
    const bool whole = first[0] == std::byte{'b'} ? client.read_exactly(more) : client.read_some(more) > 0;
    if (whole) client.write_all("done");
    return Next::close;
}

boost::asio::awaitable<void> read_more(bullpen::AsyncConnection& client) {
    std::array<std::byte, 1> first{};
    if (co_await client.read_some(first) == 0) co_return;
    std::array<std::byte, 9> more{};
    bool whole = false;
    if (first[0] == std::byte{'b'})
        whole = co_await client.read_exactly(more);
    else
        whole = co_await client.read_some(more) > 0;
    if (whole) co_await client.write_all("done");
}

Next counted_one_by_one(Connection& client) {
    const Counted counted;
    return one_by_one(client);
}

void counted_echo(Connection& client) {
    const Counted counted;
    echo(client);
}

boost::asio::awaitable<void> echo_until_end(bullpen::AsyncConnection& client) {
    const Counted counted;
    Buffer buffer;
    while (const std::size_t size = co_await client.read_some(buffer))
        co_await client.write_all(std::span<const std::byte>{buffer}.first(size));
}

void crash(Connection&) {
    ::raise(SIGKILL);
}

/// Dies in the way that the request's first byte names, having seen it and not taken it.
Next dies_as_told(Connection& client) {
    std::array<std::byte, 1> word{};
    const auto seen = client.peek(word, {.limit = bullpen::Limit::idle});
    if (!seen) return Next::await_input;
    if (seen->size == 0) return Next::close;
    const char how = static_cast<char>(word[0]);
    client.begin_request(std::string{"die as "} + how);
    const bool is_first_try = counters->begun.fetch_add(1) % 2 == 0;
    switch (how) {
        case 'o':
            if (is_first_try) ::raise(SIGKILL);
            break;
        case 's': ::raise(SIGSEGV); break;
        case 'k': ::raise(SIGKILL); break;
        case 'e': std::exit(3);
        case 'q': ::_exit(0);
        case 't': stay();
        case 'x': scribble(); stay();
        case 'y':
            scribble();
            ::raise(SIGKILL);
            break;
        default: break;
    }
    client.take(word);
    client.write_all(word);
    return Next::await_input;
}

/// The first to be called leaves every option behind that there is, and dies. The second says what it finds.
void leaves_options(Connection& client) {
    const std::vector<int> sockets = client_sockets();
    if (counters->begun.fetch_add(1) == 1) {
        for (const int socket : sockets) {
            const auto set = [socket](int option, auto value) {
                ::setsockopt(socket, SOL_SOCKET, option, &value, sizeof value);
            };
            set(SO_RCVLOWAT, 100);
            set(SO_PEEK_OFF, 1);
            set(SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
            set(SO_RCVTIMEO, timeval{.tv_sec = 0, .tv_usec = 1000});
            set(SO_SNDTIMEO, timeval{.tv_sec = 0, .tv_usec = 1000});
            ::fcntl(socket, F_SETFL, O_NONBLOCK);
        }
        ::raise(SIGKILL);
    }
    std::string found;
    for (const int socket : sockets) {
        linger close{};
        timeval receive{};
        timeval send{};
        const auto get = [socket](int option, auto& value) {
            socklen_t size = sizeof value;
            ::getsockopt(socket, SOL_SOCKET, option, &value, &size);
        };
        get(SO_LINGER, close);
        get(SO_RCVTIMEO, receive);
        get(SO_SNDTIMEO, send);
        found += "low water " + std::to_string(socket_option(socket, SO_RCVLOWAT)) + ", peek from " +
                 std::to_string(socket_option(socket, SO_PEEK_OFF)) + ", linger " +
                 std::to_string(close.l_onoff) + ", waits " + std::to_string(receive.tv_sec) + "." +
                 std::to_string(receive.tv_usec) + " and " + std::to_string(send.tv_sec) + "." +
                 std::to_string(send.tv_usec) + ", non-blocking " +
                 std::to_string((::fcntl(socket, F_GETFL) & O_NONBLOCK) != 0 ? 1 : 0) + "\n";
    }
    client.write_all(found);
}

/// `r`: the client is reset. `l`: the close would wait for a client that takes nothing. `d` and `c`: a child
/// says "child" in a while, and only with `d` has the handler detached it.
template <typename Client>
void ends_as_told(Client& client, char how) {
    switch (how) {
        case 'r': wants_close(client.fd(), at_once); break;
        case 'l':
            wants_close(client.fd(), in_20_s);
            fill(client.fd());
            break;
        case 'c':
        case 'd': {
            const int socket = client.fd();
            if (::fork() == 0) {
                constexpr useconds_t until_the_handler_has_returned = 900'000;
                ::usleep(until_the_handler_has_returned);
                (void)!::send(socket, "child", 5, MSG_NOSIGNAL);
                ::_exit(0);
            }
            if (how == 'd') client.detach();
            break;
        }
        default: break;
    }
}

void ends(Connection& client) {
    std::array<std::byte, 1> word{};
    if (client.read_some(word) > 0) ends_as_told(client, static_cast<char>(word[0]));
}

boost::asio::awaitable<void> end(bullpen::AsyncConnection& client) {
    std::array<std::byte, 1> word{};
    if (co_await client.read_some(word) > 0) ends_as_told(client, static_cast<char>(word[0]));
}

/// Who says `x` has the worker write 0xff over its part of the scoreboard.
void scribbles(Connection& client) {
    Buffer buffer;
    while (const std::size_t size = client.read_some(buffer)) {
        if (buffer[0] == std::byte{'x'}) scribble();
        client.write_all(std::span{buffer}.first(size));
    }
}

/// Closes descriptor 2, or with `a` all that it can, and has something logged with the next client.
void closes_stderr(Connection& client) {
    static bool closed = false;
    std::array<std::byte, 1> word{};
    if (client.read_some(word) == 0) return;
    client.write_all("here\n");
    if (std::exchange(closed, true)) throw std::runtime_error{"a line for the log"};
    if (word[0] != std::byte{'a'}) {
        ::close(STDERR_FILENO);
        return;
    }
    for (const int fd : descriptors())
        if (socket_option(fd, SO_TYPE) < 0 && fd > STDOUT_FILENO) ::close(fd);
}

/// Logs what the client has sent, from a thread of its own what begins with `t`, and fails at `!`.
void note(std::string_view word) {
    if (word == "!") throw std::runtime_error{"as told"};
    const auto line = [word] { bullpen::log(bullpen::LogLevel::warning, word); };
    if (word.starts_with('t'))
        std::thread{line}.join();
    else
        line();
    bullpen::log(bullpen::LogLevel::debug, "less important");
}

void logs(Connection& client) {
    Buffer buffer;
    while (const std::size_t size = client.read_some(buffer)) {
        note({reinterpret_cast<const char*>(buffer.data()), size});
        client.write_all(std::span{buffer}.first(size));
    }
}

/// Answers with its pid after a pause of so many milliseconds, or does what the datagram says instead.
void datagrams(bullpen::Datagram& datagram) {
    const std::string word{datagram.text()};
    if (word == "throw") throw std::runtime_error{"as told"};
    if (word == "crash") ::raise(SIGKILL);
    if (word == "exit") std::exit(3);
    if (word == "nothing") return;
    if (word == "no") return datagram.refuse();
    std::this_thread::sleep_for(std::chrono::milliseconds{std::stoi(word)});
    datagram.answer(std::to_string(::getpid()));
}

boost::asio::awaitable<void> logs_in_a_coroutine(bullpen::AsyncConnection& client) {
    Buffer buffer;
    while (const std::size_t size = co_await client.read_some(buffer)) {
        note({reinterpret_cast<const char*>(buffer.data()), size});
        co_await client.write_all(std::span{buffer}.first(size));
    }
}

char** argv_of_main = nullptr;

/// Says what main() was called with, and the variable TOLD.
void tells(Connection& client) {
    const char* const variable = std::getenv("TOLD");
    for (char** argument = argv_of_main; *argument != nullptr; ++argument)
        client.write_all(std::string{*argument} + "\n");
    client.write_all(variable == nullptr ? "none" : variable);
}

const std::map<std::string_view, bullpen::Handler> handlers = {
    {"closes_stderr", closes_stderr},
    {"echo", echo},
    {"kills_its_child", make_child_or_echo<kill_child>},
    {"clones_a_thief", make_child_or_echo<clone_thief>},
    {"drains_eventfds", drains_eventfds},
    {"lingers", lingers},
    {"one_by_one", one_by_one},
    {"reads_more", reads_more},
    {"crash", crash},
    {"scribbles", scribbles},
    {"counted_one_by_one", counted_one_by_one},
    {"counted_echo", counted_echo},
    {"dies_as_told", dies_as_told},
    {"leaves_options", leaves_options},
    {"ends", ends},
    {"logs", logs},
    {"tells", tells},
};

const std::map<std::string_view, bullpen::AsyncHandler> coroutines = {
    {"kills_its_child", kill_child_or_echo},
    {"reads_more", read_more},
    {"crash", crash_coroutine},
    {"counted_echo", echo_until_end},
    {"ends", end},
    {"logs", logs_in_a_coroutine},
};

void set(bullpen::Options& options, std::string_view key, const std::string& value) {
    const auto number = [&] { return std::stoi(value); };
    if (key == "listen") {
        options.listen.push_back(value);
    } else if (key == "model") {
        options.model = value;
    } else if (key == "metrics") {
        options.metrics = value;
    } else if (key == "workers") {
        options.limits = {
            .policy = bullpen::SizingPolicy::fixed, .workers_start = number(), .workers_max = number()};
    } else if (key == "workers_max") {
        options.limits.workers_max = number();
    } else if (key == "shrink_s") {
        options.shrink_window = std::chrono::seconds{number()};
    } else if (key == "start") {  // "fail", or "exit" as if it had been told to.
        options.on_worker_start = [value](bullpen::WorkerContext&) {
            if (value == "exit") ::_exit(0);
            throw std::runtime_error{"as told"};
        };
    } else if (key == "titles") {
        options.process_titles = value == "on";
    } else if (key == "log") {
        options.log = value;
    } else if (key == "log_level") {
        options.log_level = value == "debug" ? bullpen::LogLevel::debug : bullpen::LogLevel::error;
    } else if (key == "log_format") {
        options.log_format = bullpen::LogFormat::json;
    } else if (key == "threads") {
        options.threads = number();
    } else if (key == "capacity") {
        options.capacity = number();
    } else if (key == "idle_ms") {
        options.time_limits.idle = std::chrono::milliseconds{number()};
    } else if (key == "body_ms") {
        options.time_limits.body = std::chrono::milliseconds{number()};
    } else if (key == "read_ms") {
        options.time_limits.read = std::chrono::milliseconds{number()};
    } else if (key == "await_next_ms") {
        options.await_next = std::chrono::milliseconds{number()};
    } else if (key == "queue") {
        options.queue = number();
    } else if (key == "retry_crashed") {
        options.retry_crashed = number();
    } else if (key == "request_ms") {
        options.request_timeout = std::chrono::milliseconds{number()};
        options.request_grace = options.request_timeout;
    } else if (key == "stopped_ms") {
        options.stopped_timeout = std::chrono::milliseconds{number()};
    } else if (key == "counters") {
        share_counters(value);
    } else if (key == "drain_s") {
        options.drain_timeout = std::chrono::seconds{number()};
    } else if (key == "source_connections") {
        options.admission.sources.connections_max = number();
    } else if (key == "source_rate") {
        options.admission.sources.rate_max = number();
    } else {
        throw std::invalid_argument{"unknown key"};
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    argv_of_main = argv;
    bullpen::Options options;
    options.listen.clear();
    for (const char* const argument : std::span{argv, static_cast<std::size_t>(argc)}.subspan(2)) {
        const std::string_view setting{argument};
        const std::size_t equals = setting.find('=');
        set(options, setting.substr(0, equals), std::string{setting.substr(equals + 1)});
    }
    const std::string_view handler{argv[1]};
    if (handler == "datagrams") return bullpen::serve(options, datagrams);
    if (options.model.ends_with("event")) return bullpen::serve(options, coroutines.at(handler));
    return bullpen::serve(options, handlers.at(handler));
}
