/// For tests: a pool in a master of its own, and its clients.
#pragma once

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/log.hpp"
#include "core/process.hpp"
#include "pool/master.hpp"
#include "pool/snapshot.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {

inline void serve_handed_off(WorkerProcess& process) {
    Worker& worker = process.worker();
    worker.ready();
    while (auto client = worker.next_handed_off())
        worker.serve(std::move(*client));
}

inline constexpr Model handing_off{
    .name = "test", .summary = "", .delivery = Delivery::handoff, .work = serve_handed_off};

inline PoolOptions pool_of(int workers, Handler handler, const Model& model = handing_off) {
    PoolOptions pool;
    pool.listen = {"127.0.0.1:0"};
    pool.design = model;
    pool.handler = std::move(handler);
    pool.limits = {.policy = SizingPolicy::fixed, .workers_max = workers};
    return pool;
}

/// The child of the keeper that is the master now; 0 if there is none at the moment.
inline pid_t master_below(pid_t keeper) {
    std::ifstream children{"/proc/" + std::to_string(keeper) + "/task/" + std::to_string(keeper) +
                           "/children"};
    for (pid_t child = 0; children >> child;) {
        std::ifstream name{"/proc/" + std::to_string(child) + "/comm"};
        std::string text;
        std::getline(name, text);
        if (text == "bullpen: master") return child;
    }
    return 0;
}

/// A keeper in a process of its own with its master, watched through its scoreboards. Ended by stop(), or
/// killed.
class RunningMaster {
public:
    explicit RunningMaster(
        std::vector<PoolOptions> pools, std::chrono::seconds drain_timeout = std::chrono::seconds{30},
        const std::function<void()>& ready = [] {}) {
        Master master{{.pools = std::move(pools), .drain_timeout = drain_timeout}};
        for (const Pool& pool : master.pools()) {
            addresses_.push_back(pool.listeners().front().address());
            boards_.emplace_back(pool.scoreboard_fd(), pool.slots());
        }
        const pid_t maker = ::getpid();
        keeper_ = *spawn_child([&] {
            if (!die_with_parent(SIGKILL, maker)) return 1;  // A test that is killed leaves no master behind.
            set_log_level(LogLevel::error);
            unblock_signals();
            return master.run(ready);
        });
    }
    ~RunningMaster() {
        if (keeper_ != 0) stop(SIGKILL);
    }
    RunningMaster(const RunningMaster&) = delete;
    RunningMaster& operator=(const RunningMaster&) = delete;

    int stop(int signal = SIGTERM) {
        int status = 0;
        ::kill(keeper_, signal);
        ::waitpid(std::exchange(keeper_, 0), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    [[nodiscard]] pid_t keeper() const { return keeper_; }
    /// The master's, which is waited for.
    [[nodiscard]] pid_t pid() const {
        for (int i = 0; i < 2000; ++i) {
            if (const pid_t pid = master_below(keeper_); pid != 0) return pid;
            ::usleep(10'000);
        }
        return 0;
    }
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
    pid_t keeper_ = 0;
};

inline bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 2000; ++i) {
        if (holds()) return true;
        ::usleep(10'000);
    }
    return false;
}

inline void echo(Connection& client) {
    std::array<std::byte, 4096> buffer;
    while (const std::size_t size = client.read_some(buffer))
        client.write_all(std::span{buffer}.first(size));
}

inline bool at_rest(const PoolTotals& sum) {
    return sum.begun == 0 && sum.queued == 0;
}

inline bool is_stopped(pid_t pid) {
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    std::getline(stat, text);
    return text.find(") T ") != std::string::npos;
}

}  // namespace bullpen
