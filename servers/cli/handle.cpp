#include "servers/cli/handle.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <stdexcept>

#include "core/served_connection.hpp"
#include "servers/cli/flag_checks.hpp"
#include "servers/server.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

bool is_connected_stream(int fd) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           Address::of_peer(fd).family() != AF_UNSPEC;
}

/// inetd puts the client on stderr, too: nothing that we say is for him.
bool stderr_is_client() noexcept {
    struct stat client {};
    struct stat error {};
    return ::fstat(STDIN_FILENO, &client) == 0 && ::fstat(STDERR_FILENO, &error) == 0 &&
           client.st_dev == error.st_dev && client.st_ino == error.st_ino;
}

Handler make_handler(const HandleArguments& arguments) {
    const Service& service = choose("service", arguments.service, services());
    if (service.make == nullptr)
        throw std::invalid_argument{"the service " + arguments.service +
                                    " has no handler of its own: bullpen serve runs its program"};
    return service.make(arguments.options);
}

}  // namespace

void declare_handle(CLI::App& program, HandleArguments& arguments, std::function<int()>& chosen) {
    CLI::App& handle = *program.add_subcommand("handle", "Serve the one client on descriptor 0 (inetd)");
    handle.add_option("SERVICE", arguments.service, "http, echo or work")->required()->type_name("");
    handle.add_option("--root", arguments.options.root, "the directory whose files http serves")
        ->type_name("DIR");
    handle
        .add_option("--file-cache", arguments.options.file_cache, "seconds for which http keeps a file open")
        ->type_name("S")
        ->transform(number_from(0, 86'400));
    handle.footer(
        "For inetd, xinetd, tcpserver and systemd (Accept=yes, StandardInput=socket):\n"
        "descriptor 0 is the connection. Ends when the client is served.");
    handle.callback([&] { chosen = [&] { return run_handle(arguments); }; });
}

int run_handle(const HandleArguments& arguments) {
    const Handler handler = make_handler(arguments);
    if (!is_connected_stream(STDIN_FILENO))
        throw std::invalid_argument{
            "handle: descriptor 0 is no connected stream socket; inetd, xinetd, tcpserver or systemd "
            "(Accept=yes, StandardInput=socket) makes it one"};
    if (const int flags = ::fcntl(STDIN_FILENO, F_GETFL); (flags & O_NONBLOCK) != 0)
        ::fcntl(STDIN_FILENO, F_SETFL, flags & ~O_NONBLOCK);
    ServedConnection served{UniqueFd{STDIN_FILENO}};
    Connection& client = served.connection();
    client.set_socket_timeouts();
    try {
        for (Next next = handler(client); next != Next::close; next = handler(client))
            if (!served.wait_here(next == Next::await_input ? Await::input : Await::output)) break;
    } catch (const ClientGone&) {
    } catch (const TimedOut&) {
    } catch (const std::exception& error) {
        if (!stderr_is_client()) complain(std::string{"handler threw: "} + error.what());
        return 1;
    }
    return 0;
}

}  // namespace bullpen
