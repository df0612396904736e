#include "pool/master.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/pool/running_master.hpp"

using namespace bullpen;

TEST_SUITE("pool: the master") {
    TEST_CASE("clients are served, the lowest free slot first, and an orderly stop exits with 0") {
        RunningMaster master{{pool_of(3, echo)}};
        REQUIRE(eventually([&] { return master.totals().idle == 3; }));
        for (int i = 0; i < 20; ++i) {
            CHECK(master.ask("hello") == "hello");
            REQUIRE(eventually([&] { return at_rest(master.totals()); }));
        }
        CHECK(master.totals().completed == 20);
        CHECK(master.board().row(0).completed == 20);
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
        CHECK(eventually([&] { return master.board().header().spawns == 1; }));
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
            client.write_all("scribbles");  // First: once the master has looked at the row, it kills us.
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
        })}};
        CHECK(master.ask("ok") == "ok");
        for (int i = 0; i < 5; ++i)
            CHECK(master.ask("break") == "scribbles");
        CHECK(eventually([&] { return master.totals().idle == 2 && at_rest(master.totals()); }));
        CHECK(master.ask("ok") == "ok");
        CHECK(eventually([&] { return at_rest(master.totals()) && master.totals().unaccounted() == 0; }));
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
        CHECK(eventually([&] { return master.board().header().recovered == 1; }));
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
        CHECK(master.stop() == exit_lost);
        CHECK(master.totals().unaccounted() == 0);
    }

    TEST_CASE("what is still busy at the end of the drain time-out is ended and counted") {
        RunningMaster master{{pool_of(1, echo)}, std::chrono::seconds{1}};
        const UniqueFd client = master.connect();
        REQUIRE(eventually([&] { return master.totals().begun == 1; }));
        CHECK(master.stop() == exit_lost);
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
