#include "servers/cli/handle.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <stdexcept>

#include <bullpen/unique_fd.hpp>
#include "core/served_connection.hpp"
#include "servers/exit_status.hpp"
#include "servers/services/option_error.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

bool is_connected(int fd) noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           (type == SOCK_STREAM || type == SOCK_SEQPACKET) && Address::of_peer(fd).family() != AF_UNSPEC;
}

/// inetd puts the client on stderr, too: nothing that we say is for him.
void keep_stderr_from_client() noexcept {
    struct stat client {};
    struct stat error {};
    if (::fstat(STDIN_FILENO, &client) != 0 || ::fstat(STDERR_FILENO, &error) != 0) return;
    if (client.st_dev != error.st_dev || client.st_ino != error.st_ino) return;
    if (const UniqueFd nowhere{::open("/dev/null", O_WRONLY | O_CLOEXEC)}; nowhere)
        ::dup2(nowhere.get(), STDERR_FILENO);
}

Handler make_handler(const HandleArguments& arguments) {
    const Service& service = choose("service", arguments.service, services());
    if (service.make == nullptr)
        throw std::invalid_argument{"the service " + arguments.service +
                                    " has no handler of its own: bullpen serve runs its program"};
    if (service.make_program == nullptr)
        throw std::invalid_argument{"the service " + arguments.service +
                                    " is not for a process of each client, which shares nothing with others: "
                                    "bullpen serve has models for it"};
    PoolSettings settings;
    apply_flags(settings, service_settings(), arguments.flags);
    try {
        return service.make(settings.of_service);
    } catch (const OptionError& error) {
        throw SettingError{spell_as_flag(error.key()) + ": " + error.what()};
    }
}

}  // namespace

void declare_handle(CLI::App& program, HandleArguments& arguments, std::function<int()>& chosen) {
    CLI::App& handle = *program.add_subcommand("handle", "Serve the one client on descriptor 0 (inetd)");
    handle.add_option("SERVICE", arguments.service, "http, echo, daytime, ..., see bullpen serve --help")
        ->required()
        ->type_name("");
    declare_flags(handle, service_settings(), arguments.flags);
    handle.footer(
        "For inetd, xinetd, tcpserver and systemd (Accept=yes, StandardInput=socket):\n"
        "descriptor 0 is the connection. Ends when the client is served.");
    handle.callback([&] { chosen = [&] { return run_handle(arguments); }; });
}

int run_handle(const HandleArguments& arguments) {
    const Handler handler = make_handler(arguments);
    if (!is_connected(STDIN_FILENO))
        throw std::invalid_argument{
            "handle: descriptor 0 is no connected socket; inetd, xinetd, tcpserver or systemd "
            "(Accept=yes, StandardInput=socket) makes it one"};
    keep_stderr_from_client();
    if (const int flags = ::fcntl(STDIN_FILENO, F_GETFL); (flags & O_NONBLOCK) != 0)
        ::fcntl(STDIN_FILENO, F_SETFL, flags & ~O_NONBLOCK);
    ServedConnection served{UniqueFd{STDIN_FILENO}};
    Connection& client = served.connection();
    client.set_socket_timeouts();
    try {
        for (Next next = handler(client); next != Next::close; next = handler(client)) {
            if (next == Next::await_input) served.check_progress();
            if (!served.wait_here(next == Next::await_input ? Await::input : Await::output)) break;
        }
    } catch (const ClientGone&) {
    } catch (const TimedOut&) {
    } catch (const SpinningHandler& error) {
        complain(error.what());
        return 1;
    } catch (const std::exception& error) {
        complain(std::string{"handler threw: "} + error.what());
        return 1;
    }
    return 0;
}

}  // namespace bullpen
