#include "pool/master.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "core/log.hpp"
#include "core/process.hpp"
#include "pool/worker_process.hpp"

using namespace bullpen;

namespace {

void serve_handed_off(WorkerProcess& process) {
    Worker& worker = process.worker();
    worker.ready();
    while (auto client = worker.next_handed_off())
        worker.serve(std::move(*client));
}

constexpr Model handing_off{
    .name = "test", .summary = "", .delivery = Delivery::handoff, .work = serve_handed_off};

PoolOptions pool_of(int workers, Handler handler, const Model& model = handing_off) {
    PoolOptions pool;
    pool.listen = {"127.0.0.1:0"};
    pool.model = model;
    pool.handler = std::move(handler);
    pool.limits = {.policy = SizingPolicy::fixed, .workers_max = workers};
    return pool;
}

/// A master in a process of its own, watched through its scoreboards. Ended by stop(), or killed.
class RunningMaster {
public:
    explicit RunningMaster(std::vector<PoolOptions> pools,
                           std::chrono::seconds drain_timeout = std::chrono::seconds{30}) {
        Master master{{.pools = std::move(pools), .drain_timeout = drain_timeout}};
        for (const Pool& pool : master.pools()) {
            addresses_.push_back(pool.listeners().front().address());
            boards_.emplace_back(pool.scoreboard_fd(), pool.slots());
        }
        pid_ = *spawn_child([&] {
            set_log_level(LogLevel::error);
            unblock_signals();
            return master.run();
        });
    }
    ~RunningMaster() {
        if (pid_ != 0) stop(SIGKILL);
    }
    RunningMaster(const RunningMaster&) = delete;
    RunningMaster& operator=(const RunningMaster&) = delete;

    int stop(int signal = SIGTERM) {
        int status = 0;
        ::kill(pid_, signal);
        ::waitpid(std::exchange(pid_, 0), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] const ScoreboardReader& board(std::size_t pool = 0) const { return boards_[pool]; }
    [[nodiscard]] PoolTotals totals(std::size_t pool = 0) const { return total(boards_[pool]); }

    [[nodiscard]] UniqueFd connect(std::size_t pool = 0) const {
        UniqueFd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        const timeval patience{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const Address& address = addresses_[pool];
        if (::connect(client.get(), address.data(), address.size()) != 0) client.reset();
        return client;
    }

    /// Sends `request`, ends our side, and returns what comes back.
    [[nodiscard]] std::string ask(const std::string& request, std::size_t pool = 0) const {
        const UniqueFd client = connect(pool);
        (void)::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL);
        ::shutdown(client.get(), SHUT_WR);
        return answer(client.get());
    }

    [[nodiscard]] static std::string answer(int client) {
        std::string all;
        char buffer[4096];
        for (ssize_t size; (size = ::recv(client, buffer, sizeof buffer, 0)) > 0;)
            all.append(buffer, static_cast<std::size_t>(size));
        return all;
    }

private:
    std::vector<Address> addresses_;
    std::vector<ScoreboardReader> boards_;
    pid_t pid_ = 0;
};

bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 2000; ++i) {
        if (holds()) return true;
        ::usleep(10'000);
    }
    return false;
}

bool is_stopped(pid_t pid) {
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    std::getline(stat, text);
    return text.find(") T ") != std::string::npos;
}

void echo(Connection& client) {
    std::array<std::byte, 4096> buffer;
    while (const std::size_t size = client.read_some(buffer))
        client.write_all(std::span{buffer}.first(size));
}

bool at_rest(const PoolTotals& sum) {
    return sum.begun == 0 && sum.queued == 0;
}

}  // namespace

TEST_SUITE("pool: the master") {
    TEST_CASE("clients are served, the lowest free slot first, and an orderly stop exits with 0") {
        RunningMaster master{{pool_of(3, echo)}};
        REQUIRE(eventually([&] { return master.totals().idle == 3; }));
        for (int i = 0; i < 20; ++i) {
            CHECK(master.ask("hello") == "hello");
            REQUIRE(eventually([&] { return at_rest(master.totals()); }));
        }
        CHECK(master.totals().completed == 20);
        CHECK(master.board().row(0).finished == 20);
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("a handler that throws ends its connection and nothing else") {
        RunningMaster master{{pool_of(1, [](Connection& client) {
            echo(client);
            throw std::runtime_error{"on purpose"};
        })}};
        CHECK(master.ask("a") == "a");
        CHECK(master.ask("b") == "b");
        CHECK(eventually([&] { return master.totals().failed == 2; }));
        CHECK(master.board().header().spawns == 1);
        CHECK(master.stop() == 0);
    }

    TEST_CASE("a worker that dies while busy loses its connection, is replaced, and its slot is reused") {
        RunningMaster master{{pool_of(1, [](Connection& client) {
            std::array<std::byte, 16> buffer;
            if (client.read_some(buffer) == 5) ::raise(SIGKILL);
            client.write_all("alive");
        })}};
        CHECK(master.ask("crash").empty());
        CHECK(master.ask("ok") == "alive");
        REQUIRE(eventually([&] { return at_rest(master.totals()); }));
        CHECK(master.totals().lost == 1);
        CHECK(master.board().header().lost[static_cast<std::size_t>(ExitReason::signalled)] == 1);
        CHECK(master.board().entry(0).generation == 2);
        CHECK(master.totals().unaccounted() == 0);
        CHECK(master.stop() == 0);
    }

    TEST_CASE("a handler that calls exit() counts as its worker's death") {
        RunningMaster master{{pool_of(1, [](Connection&) { ::_exit(0); })}};
        CHECK(master.ask("x").empty());
        REQUIRE(eventually([&] { return master.totals().lost == 1; }));
        CHECK(master.board().header().lost[static_cast<std::size_t>(ExitReason::exited)] == 1);
        CHECK(eventually([&] { return master.totals().idle == 1; }));
        CHECK(master.stop() == 0);
    }

    TEST_CASE(
        "workers that die before they are ready are retried with growing pauses while another pool serves") {
        constexpr Model stillborn{
            .name = "stillborn", .summary = "", .delivery = Delivery::handoff, .work = [](WorkerProcess&) {
                ::_exit(3);
            }};
        RunningMaster master{{pool_of(2, echo, stillborn), pool_of(1, echo)}};
        CHECK(eventually([&] {
            return master.board(0).header().exits[static_cast<std::size_t>(ExitReason::start)] >= 6;
        }));
        CHECK(master.ask("still here", 1) == "still here");
        CHECK(master.board(0).header().spawns < 20);
        CHECK(master.stop() == 0);
    }

    TEST_CASE("a worker that scribbles over all it can write is replaced, and the counts are put right") {
        RunningMaster master{{pool_of(2, [](Connection& client) {
            std::array<std::byte, 16> buffer;
            if (client.read_some(buffer) != 5) return client.write_all("ok");
            FILE* maps = std::fopen("/proc/self/maps", "r");
            for (char line[512]; std::fgets(line, sizeof line, maps) != nullptr;) {
                unsigned long begin = 0;
                unsigned long end = 0;
                char mode[5] = {};
                if (std::strstr(line, "bullpen-scoreboard") == nullptr) continue;
                if (std::sscanf(line, "%lx-%lx %4s", &begin, &end, mode) != 3 || mode[1] != 'w') continue;
                std::memset(reinterpret_cast<void*>(begin), 0xa5, end - begin);
            }
            std::fclose(maps);
            client.write_all("scribbled");
        })}};
        CHECK(master.ask("ok") == "ok");
        for (int i = 0; i < 5; ++i)
            CHECK(master.ask("break") == "scribbled");
        CHECK(eventually([&] { return master.totals().idle == 2 && at_rest(master.totals()); }));
        CHECK(master.ask("ok") == "ok");
        CHECK(eventually([&] { return at_rest(master.totals()); }));
        CHECK(master.totals().unaccounted() == 0);
        CHECK(master.totals().accepted == 7);
        CHECK(master.stop() == 0);
    }

    TEST_CASE("a connection handed to a worker that stands still is served by another when that one dies") {
        RunningMaster master{{pool_of(1, [](Connection& client) {
            const pid_t self = ::getpid();
            client.write_all(std::to_string(self));
        })}};
        const pid_t worker = std::stoi(master.ask(""));
        REQUIRE(eventually([&] { return at_rest(master.totals()); }));
        ::kill(worker, SIGSTOP);
        REQUIRE(eventually([&] { return is_stopped(worker); }));
        const UniqueFd client = master.connect();
        REQUIRE(eventually([&] { return master.totals().queued == 1; }));
        ::kill(worker, SIGKILL);
        const std::string other = RunningMaster::answer(client.get());
        CHECK(!other.empty());
        CHECK(other != std::to_string(worker));
        CHECK(master.board().header().recovered == 1);
        CHECK(master.totals().lost == 0);
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("a slot whose channel was shut down gets a new one") {
        RunningMaster master{{pool_of(1, [](Connection& client) {
            for (int fd = 3; fd < 64; ++fd) {
                int type = 0;
                socklen_t size = sizeof type;
                if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
                    ::shutdown(fd, SHUT_RDWR);
            }
            client.write_all("done");
        })}};
        for (int i = 0; i < 3; ++i)
            CHECK(master.ask("x") == "done");
        CHECK(eventually([&] { return at_rest(master.totals()); }));
        CHECK(master.board().header().spawns < 10);
        CHECK(master.totals().unaccounted() == 0);
        CHECK(master.stop() == 0);
    }

    TEST_CASE("what comes back from a worker that is ended at the drain time-out does not prolong the stop") {
        RunningMaster master{{pool_of(1, echo)}, std::chrono::seconds{1}};
        const UniqueFd held = master.connect();
        REQUIRE(eventually([&] { return master.totals().begun == 1; }));
        const UniqueFd waiting = master.connect();
        CHECK(master.stop() == 0);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("what is still busy at the end of the drain time-out is ended and counted") {
        RunningMaster master{{pool_of(1, echo)}, std::chrono::seconds{1}};
        const UniqueFd client = master.connect();
        REQUIRE(eventually([&] { return master.totals().begun == 1; }));
        CHECK(master.stop() == 0);
        CHECK(master.board().header().lost[static_cast<std::size_t>(ExitReason::drain_limit)] == 1);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("the companion is started again when it dies, and ends after the pools") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const UniqueFd reading{ends[0]};
        UniqueFd writing{ends[1]};
        const auto pid = spawn_child([&] {
            set_log_level(LogLevel::error);
            unblock_signals();
            Master master{{.pools = {pool_of(1, echo)}}};
            master.add_companion({.title = "test", .keep = {writing.get()}, .body = [&](int lifeline) {
                                      static constexpr char began = 'b';
                                      static constexpr char ended = 'e';
                                      (void)!::write(writing.get(), &began, 1);
                                      char byte = 0;
                                      if (::read(lifeline, &byte, 1) != 0) return 1;
                                      (void)!::write(writing.get(), &ended, 1);
                                      return 0;
                                  }});
            return master.run();
        });
        writing.reset();
        char byte = 0;
        REQUIRE(::read(reading.get(), &byte, 1) == 1);
        CHECK(byte == 'b');
        const std::string find = "pgrep -P " + std::to_string(*pid) + " -f 'bullpen: test'";
        FILE* found = ::popen(find.c_str(), "r");
        int companion = 0;
        REQUIRE(std::fscanf(found, "%d", &companion) == 1);
        ::pclose(found);
        ::kill(companion, SIGKILL);
        REQUIRE(::read(reading.get(), &byte, 1) == 1);
        CHECK(byte == 'b');
        ::kill(*pid, SIGTERM);
        REQUIRE(::read(reading.get(), &byte, 1) == 1);
        CHECK(byte == 'e');
        int status = 0;
        ::waitpid(*pid, &status, 0);
        CHECK(status == 0);
    }
}
