/// What a handler's own children can do to the server: nothing.
#include "pool/forked_child.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <sstream>
#include <stdexcept>

#include <bullpen/async_connection.hpp>
#include "tests/pool/every_model.hpp"
#include "tests/pool/obedient.hpp"

using namespace bullpen;
using namespace bullpen::obedient;

namespace {

/// One line for each of the worker's things that this process has besides its client and what the test's
/// process had from the beginning.
std::string belongings(int client, const std::vector<int>& from_the_beginning) {
    std::ostringstream all;
    for (const int fd : list_descriptors()) {
        const auto had = std::find(from_the_beginning.begin(), from_the_beginning.end(), fd);
        if (fd == client || had != from_the_beginning.end()) continue;
        std::array<char, 256> target{};
        (void)!::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target.data(), target.size() - 1);
        all << "descriptor " << fd << ' ' << target.data() << '\n';
    }
    sigset_t blocked;
    ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
    for (const int signal :
         {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGIO, SIGRTMAX}) {
        struct sigaction action {};
        ::sigaction(signal, nullptr, &action);
        if (action.sa_handler != SIG_DFL) all << "action of signal " << signal << '\n';
        if (::sigismember(&blocked, signal) == 1) all << "blocked signal " << signal << '\n';
    }
    int at_parents_death = 0;
    ::prctl(PR_GET_PDEATHSIG, &at_parents_death);
    if (at_parents_death != 0) all << "signal at the parent's death\n";
    return all.str();
}

/// In the handler's child: what the first byte of its client says.
/// l  sends what it has of the worker's, and leaves
/// r  returns from the handler
/// t  leaves it by an exception
/// w  waits for a signal
/// s  writes through the connection and into the row, and leaves
struct Job {
    char what = 0;
    int client = -1;
};

void tell(int client, const std::string& text) {
    (void)::send(client, text.data(), text.size(), MSG_NOSIGNAL);
}

void do_in_child(Job job, const std::vector<int>& from_the_beginning) {
    tell(job.client, std::to_string(::getpid()) + '\n');
    switch (job.what) {
        case 'l': tell(job.client, belongings(job.client, from_the_beginning)); break;
        case 'r': return;
        case 't': throw std::runtime_error{"a child's"};
        case 'w': ::pause(); break;
        default: break;
    }
    ::_exit(0);
}

Handler forking(std::vector<int> from_the_beginning) {
    return [had = std::move(from_the_beginning)](Connection& client) {
        std::array<std::byte, 1> byte;
        if (client.read_some(byte) == 0) return;
        const Job job{static_cast<char>(byte[0]), client.fd()};
        if (job.what == 'e') return client.write_all("echo");
        if (::fork() != 0) return client.detach();
        if (job.what == 's') {
            client.begin_request("a child's");
            client.write_all("s");
        }
        do_in_child(job, had);
    };
}

AsyncHandler forking_in_loop(std::vector<int> from_the_beginning) {
    return [had = std::move(from_the_beginning)](AsyncConnection& client) -> boost::asio::awaitable<void> {
        std::array<std::byte, 1> byte;
        if (co_await client.read_some(byte) == 0) co_return;
        const Job job{static_cast<char>(byte[0]), client.fd()};
        if (job.what == 'e') {
            co_await client.write_all("echo");
            co_return;
        }
        if (::fork() != 0) {
            client.detach();
            co_return;
        }
        if (job.what == 's') co_await client.write_all("s");
        if (job.what == 'o') {  // It goes on in the loop.
            tell(job.client, std::to_string(::getpid()) + '\n');
            std::array<std::byte, 1> more;
            (void)co_await client.read_some(more);
        }
        do_in_child(job, had);
    };
}

PoolOptions forking_pool(const Case& under) {
    const std::vector<int> had = list_descriptors();
    PoolOptions pool = pool_of(under, forking(had));
    pool.async_handler = forking_in_loop(had);
    return pool;
}

void say(const UniqueFd& client, char what) {
    (void)::send(client.get(), &what, 1, MSG_NOSIGNAL);
}

std::string line_of(const UniqueFd& client) {
    std::string line;
    for (char byte = 0; ::recv(client.get(), &byte, 1, 0) == 1 && byte != '\n';)
        line += byte;
    return line;
}

bool is_gone(pid_t pid) {
    return eventually([&] {
        std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
        std::string text;
        return !std::getline(stat, text) || text.find(") Z ") != std::string::npos;
    });
}

/// Everybody is served, by as many as before, and none of them runs hot.
void check_serves(const RunningMaster& master) {
    for (int i = 0; i < 6; ++i) {
        const UniqueFd client = master.connect();
        say(client, 'e');
        CHECK(RunningMaster::answer(client.get()) == "echo");
    }
    CHECK(law_holds(master));
    for (const pid_t worker : workers_of(master))
        CHECK(does_not_spin(worker));
}

}  // namespace

TEST_SUITE("pool: a handler's own child") {
    TEST_CASE("it has nothing of the worker's") {
        for (const Case& under : every_case()) {
            CAPTURE(under.name);
            RunningMaster master{{forking_pool(under)}};
            const UniqueFd client = master.connect();
            say(client, 'l');
            CHECK(std::stoi(line_of(client)) > 0);
            CHECK(RunningMaster::answer(client.get()) == "");
            CHECK(master.stop() == 0);
        }
    }

    TEST_CASE("SIGTERM ends it, and the server serves on") {
        for (const Case& under : every_case()) {
            CAPTURE(under.name);
            RunningMaster master{{forking_pool(under)}};
            std::vector<pid_t> children;
            for (int i = 0; i < 4; ++i) {
                const UniqueFd client = master.connect();
                say(client, 'w');
                children.push_back(std::stoi(line_of(client)));
            }
            for (const pid_t child : children) {
                CHECK(::kill(child, SIGTERM) == 0);
                CHECK(is_gone(child));
            }
            check_serves(master);
            CHECK(master.totals().completed == 10);
            CHECK(master.stop() == 0);
        }
    }

    TEST_CASE("it ends where it returns from the handler, in whichever way") {
        for (const Case& under : every_case()) {
            CAPTURE(under.name);
            RunningMaster master{{forking_pool(under)}};
            std::string ways = "rt";
            if (under.model->form == Form::asynchronous) ways += 'o';
            for (const char way : ways) {
                CAPTURE(way);
                const UniqueFd client = master.connect();
                say(client, way);
                const pid_t child = std::stoi(line_of(client));
                CHECK(is_gone(child));
            }
            check_serves(master);
            CHECK(master.totals().completed == 6 + ways.size());
            CHECK(master.stop() == 0);
        }
    }

    TEST_CASE("what it does to its connection is in no count") {
        for (const Case& under : every_case()) {
            CAPTURE(under.name);
            RunningMaster master{{forking_pool(under)}};
            const UniqueFd client = master.connect();
            say(client, 's');
            CHECK(line_of(client).substr(0, 1) == "s");
            check_serves(master);
            CHECK(master.totals().completed == 7);
            CHECK(master.stop() == 0);
        }
    }

    TEST_CASE("who makes it without fork handlers doesn't harm the server by SIGTERM either") {
        for (const Case& under : every_case()) {
            CAPTURE(under.name);
            PoolOptions pool = pool_of(under, [](Connection& client) {
                std::array<std::byte, 1> byte;
                if (client.read_some(byte) == 0) return;
                if (static_cast<char>(byte[0]) == 'e') return client.write_all("echo");
                const auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
                if (child != 0) {
                    ::kill(child, SIGTERM);
                    return client.write_all(std::to_string(child) + '\n');
                }
                for (;;)
                    ::pause();
            });
            if (under.model->form == Form::asynchronous) continue;
            RunningMaster master{{pool}};
            const UniqueFd client = master.connect();
            say(client, 'w');
            const pid_t child = std::stoi(line_of(client));
            check_serves(master);
            ::kill(child, SIGKILL);
            CHECK(master.stop() == 0);
        }
    }
}

TEST_SUITE("pool: a channel in strange hands") {
    TEST_CASE("a worker whose channel doesn't block any more waits for its next client without running hot") {
        for (const char* name : {"prefork", "prefork, 2 threads each", "prefork-event"}) {
            const Case under = case_of(name);
            CAPTURE(under.name);
            const auto unblock_channels = [] {
                for (const int fd : list_descriptors()) {
                    int type = 0;
                    socklen_t size = sizeof type;
                    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
                        ::fcntl(fd, F_SETFL, O_NONBLOCK);
                }
            };
            PoolOptions pool = pool_of(under, [&](Connection& client) {
                unblock_channels();
                echo(client);
            });
            pool.async_handler = [&](AsyncConnection& client) -> boost::asio::awaitable<void> {
                unblock_channels();
                co_await client.write_all("echo");
            };
            RunningMaster master{{pool}};
            for (int i = 0; i < 4; ++i)
                CHECK(master.ask("echo") == "echo");
            for (const pid_t worker : workers_of(master))
                CHECK(does_not_spin(worker));
            CHECK(master.ask("echo") == "echo");
            CHECK(master.stop() == 0);
        }
    }
}
