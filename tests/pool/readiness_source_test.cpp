/// What each readiness source does: the same sentences for select, poll, epoll and signals.
#include "pool/readiness_source.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pool/epoll_source.hpp"
#include "pool/poll_source.hpp"
#include "pool/select_source.hpp"
#include "pool/signal_source.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;

namespace {

constexpr std::chrono::nanoseconds at_once{0};

/// Of this process, as it was, at the end.
class LimitKept {
public:
    explicit LimitKept(__rlimit_resource which) : which_{which} { ::getrlimit(which_, &before_); }
    ~LimitKept() { ::setrlimit(which_, &before_); }
    LimitKept(const LimitKept&) = delete;
    LimitKept& operator=(const LimitKept&) = delete;

    void lower(rlim_t soft) const {
        const rlimit lower{.rlim_cur = soft, .rlim_max = before_.rlim_max};
        ::setrlimit(which_, &lower);
    }

private:
    __rlimit_resource which_;
    rlimit before_{};
};

void with_each(const std::function<void(ReadinessSource&)>& body) {
    const LimitKept descriptors{RLIMIT_NOFILE};
    const auto with = [&](const char* name, std::unique_ptr<ReadinessSource> source) {
        CAPTURE(name);
        body(*source);
    };
    with("select", std::make_unique<SelectSource>());
    with("poll", std::make_unique<PollSource>());
    with("epoll", std::make_unique<EpollSource>());
    with("signal", std::make_unique<SignalSource>());
}

using Fds = std::vector<int>;

Fds ready(ReadinessSource& source, std::optional<std::chrono::nanoseconds> at_most = at_once) {
    const auto found = source.wait(at_most);
    return {found.begin(), found.end()};
}

void say(const SocketPair& sockets) {
    CHECK(::send(sockets.client.get(), "x", 1, MSG_NOSIGNAL) == 1);
}

void hear(const SocketPair& sockets) {
    char byte = 0;
    CHECK(::recv(sockets.server.get(), &byte, 1, 0) == 1);
}

void fill(int socket) {
    const std::string much(std::size_t{64} * 1024, 'x');
    while (::send(socket, much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

void empty(int socket) {
    std::string much(std::size_t{64} * 1024, 'x');
    while (::recv(socket, much.data(), much.size(), MSG_DONTWAIT) > 0) {
    }
}

}  // namespace

TEST_SUITE("pool: a readiness source") {
    TEST_CASE("reports input, the client's end and its reset, and nothing else") {
        for (const auto& make : {unix_sockets, tcp_sockets})
            with_each([&](ReadinessSource& source) {
                SocketPair speaks = make();
                SocketPair is_silent = make();
                const int fd = speaks.server.get();
                CHECK(source.watch(fd, Await::input));
                CHECK(source.watch(is_silent.server.get(), Await::input));
                CHECK(ready(source).empty());
                say(speaks);
                CHECK(ready(source, std::nullopt) == Fds{fd});
                hear(speaks);
                CHECK(source.watch(fd, Await::input));
                CHECK(ready(source).empty());
                speaks.client.reset();
                CHECK(ready(source, std::nullopt) == Fds{fd});
                for (const int one : {fd, is_silent.server.get()})
                    source.forget(one);
            });
    }

    TEST_CASE("reports what was there before it was watched, and what is left of it") {
        with_each([](ReadinessSource& source) {
            const SocketPair sockets = unix_sockets();
            const int fd = sockets.server.get();
            say(sockets);
            say(sockets);
            for (int i = 0; i < 2; ++i) {
                CHECK(source.watch(fd, Await::input));
                CHECK(ready(source) == Fds{fd});
                hear(sockets);
            }
            CHECK(source.watch(fd, Await::input));
            CHECK(ready(source).empty());
            source.forget(fd);
        });
    }

    TEST_CASE("reports room for output, once there is some") {
        with_each([](ReadinessSource& source) {
            const SocketPair sockets = unix_sockets();
            const int fd = sockets.server.get();
            fill(fd);
            CHECK(source.watch(fd, Await::output));
            CHECK(ready(source).empty());
            empty(sockets.client.get());
            CHECK(ready(source, std::nullopt) == Fds{fd});
            CHECK(source.watch(fd, Await::input));
            CHECK(ready(source).empty());
            source.forget(fd);
        });
    }

    TEST_CASE("reports what is shared with other processes as long as it is ready") {
        with_each([](ReadinessSource& source) {
            const SocketPair sockets = unix_sockets();
            const int fd = sockets.server.get();
            CHECK(source.watch_shared(fd));
            CHECK(ready(source).empty());
            say(sockets);
            CHECK(ready(source, std::nullopt) == Fds{fd});
            CHECK(ready(source, std::nullopt) == Fds{fd});
            CHECK((::fcntl(fd, F_GETFL) & O_ASYNC) == 0);
            source.forget(fd);
            CHECK(ready(source).empty());
        });
    }

    TEST_CASE("reports nothing that it was told to forget, nor a new descriptor for one of the same number") {
        with_each([](ReadinessSource& source) {
            SocketPair before = unix_sockets();
            const SocketPair after = unix_sockets();
            const int fd = before.server.get();
            CHECK(source.watch(fd, Await::input));
            say(before);
            source.forget(fd);
            source.forget(fd);
            CHECK(ready(source).empty());
            CHECK(source.watch(fd, Await::input));
            say(before);
            source.forget(fd);
            REQUIRE(::dup2(after.server.get(), fd) == fd);
            CHECK(source.watch(fd, Await::input));
            CHECK(ready(source).empty());
            say(after);
            CHECK(ready(source, std::nullopt) == Fds{fd});
            source.forget(fd);
        });
    }

    TEST_CASE("of two hundred that are always ready it reports each one, and none twice in a wait") {
        with_each([](ReadinessSource& source) {
            constexpr std::size_t many = 200;
            std::vector<SocketPair> all;
            for (std::size_t i = 0; i < many; ++i) {
                all.push_back(unix_sockets());
                CHECK(source.watch(all.back().server.get(), Await::input));
                say(all.back());
            }
            std::set<int> seen;
            for (int i = 0; i < 2; ++i) {
                const Fds found = ready(source);
                CHECK(std::set<int>(found.begin(), found.end()).size() == found.size());
                for (const int fd : found)
                    CHECK(source.watch(fd, Await::input));
                seen.insert(found.begin(), found.end());
            }
            CHECK(seen.size() == many);
            for (const SocketPair& sockets : all)
                source.forget(sockets.server.get());
        });
    }

    TEST_CASE("by signals, asks about all once the queue of signals was full, and misses none") {
        const LimitKept signals{RLIMIT_SIGPENDING};
        SignalSource source;
        std::vector<SocketPair> all;
        for (int i = 0; i < 10; ++i) {
            all.push_back(unix_sockets());
            CHECK(source.watch(all.back().server.get(), Await::input));
        }
        CHECK(ready(source).empty());
        signals.lower(0);
        for (const SocketPair& sockets : all)
            say(sockets);
        CHECK(ready(source, std::nullopt).size() == all.size());
        CHECK(source.sweeps() == 1);
        for (const SocketPair& sockets : all)
            source.forget(sockets.server.get());
    }

    TEST_CASE("by signals, leaves no signal to come and none blocked") {
        sigset_t before;
        sigset_t after;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
        const SocketPair sockets = unix_sockets();
        {
            SignalSource source;
            CHECK(source.watch(sockets.server.get(), Await::input));
            CHECK(ready(source).empty());
            say(sockets);
        }
        ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
        CHECK(::sigismember(&after, SIGIO) == ::sigismember(&before, SIGIO));
        CHECK(::sigismember(&after, SIGRTMIN) == ::sigismember(&before, SIGRTMIN));
    }

    TEST_CASE("by select, refuses a descriptor that an fd_set has no bit for, and gets none") {
        const LimitKept descriptors{RLIMIT_NOFILE};
        SelectSource source;
        CHECK(source.watch(FD_SETSIZE - 1, Await::input));
        source.forget(FD_SETSIZE - 1);
        errno = 0;
        CHECK(!source.watch(FD_SETSIZE, Await::input));
        CHECK(errno == EMFILE);
        source.forget(FD_SETSIZE);
        CHECK(ready(source).empty());
        const SocketPair sockets = unix_sockets();
        CHECK(::fcntl(sockets.server.get(), F_DUPFD_CLOEXEC, FD_SETSIZE) == -1);
    }
}
