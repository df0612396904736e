#include "core/program_starter.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "tests/core/socket_pair.hpp"

using namespace bullpen;

namespace {

std::string read_to_the_end(const UniqueFd& client) {
    std::string text;
    char piece[4096];
    for (ssize_t size = 0; (size = ::read(client.get(), piece, sizeof piece)) > 0;)
        text.append(piece, static_cast<std::size_t>(size));
    return text;
}

/// What a shell's command says to its client.
std::string said(const std::string& command, ProgramSetting setting = {},
                 std::vector<std::string> of_client = {}) {
    SocketPair ends = unix_sockets();
    setting.path = "/bin/sh";
    ProgramStarter starter{{.argv = {"sh", "-c", command}}, std::move(setting)};
    const auto pid = starter.start(ends.server.get(), of_client);
    REQUIRE(pid);
    ends.server.reset();
    std::string text = read_to_the_end(ends.client);
    REQUIRE(::waitpid(*pid, nullptr, 0) == *pid);
    return text;
}

}  // namespace

TEST_SUITE("core: the program starter") {
    TEST_CASE("a program has the socket as its standard descriptors and these variables alone") {
        CHECK(said("echo $0 $ONE $TWO; echo error >&2; tr '\\0' ' ' < /proc/$$/environ",
                   {.variables = {"ONE=1"}}, {"TWO=2"}) == "sh 1 2\nerror\nONE=1 TWO=2 ");
    }

    TEST_CASE("with listen_fds the socket is descriptor 3, and the variables say so") {
        CHECK(said("[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS >&3; readlink /proc/$$/fd/0 >&3",
                   {.listen_fds = true}) == "1\n/dev/null\n");
    }

    TEST_CASE("ignored signals have their default action again, and nothing is blocked") {
        struct sigaction before {};
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGPIPE, &ignore, &before);
        const std::string status = said("grep -E 'Sig(Blk|Ign)' /proc/$$/status | tr -d '\\t\\n'");
        ::sigaction(SIGPIPE, &before, nullptr);
        CHECK(status == "SigBlk:0000000000000000SigIgn:0000000000000000");
    }

    TEST_CASE("what can't be executed is an error number, and no child is left") {
        const SocketPair ends = unix_sockets();
        ProgramStarter starter{{.argv = {"/no/such/program"}}, {}};
        CHECK(!starter.start(ends.server.get()));
        CHECK(errno == ENOENT);
        CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
    }

    TEST_CASE("a TCP client's variables name it, a UNIX client has no number") {
        const SocketPair tcp = tcp_sockets();
        const std::vector<std::string> variables = variables_of_client(tcp.server.get());
        REQUIRE(variables.size() == 8);
        CHECK(variables[0] == "PROTO=TCP");
        CHECK(variables[1] == "REMOTE_HOST=127.0.0.1");
        CHECK(variables[3] == "REMOTE_PORT=" + std::to_string(Address::of_socket(tcp.client.get()).port()));
        CHECK(variables_of_client(unix_sockets().server.get()) == std::vector<std::string>{"PROTO=UNIX"});
    }
}
