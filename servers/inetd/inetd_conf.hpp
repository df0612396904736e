/// inetd.conf: what its lines say, as openbsd-inetd's and inetutils' manual pages define them.
///
///     ftp                   stream  tcp   nowait.60  root:adm  /usr/sbin/in.ftpd   in.ftpd -l
///     10.0.0.1,[::1]:tftp   dgram   udp   wait       nobody    /usr/sbin/in.tftpd  in.tftpd /srv/tftp
///     daytime               stream  tcp6  nowait     root      internal
///
/// Lines, comments and quotes are as inetd_line.hpp has them, and addresses as inetd_address.hpp. A line that
/// is only addresses and ':' sets those of the lines after it that name none, but not of UNIX sockets; "*:"
/// ends that. Where the two programs or others of the name differ:
///
/// - tcp and udp are both IPv4 and IPv6, as openbsd-inetd has them (inetutils: IPv4 alone).
/// - tcp46 and udp46 may have a service's name (openbsd-inetd opens nothing then, but takes a port's number).
/// - [::1] may be one of several addresses (openbsd-inetd takes brackets around a single one alone).
/// - A line may be continued after any field (openbsd-inetd: then tcp is IPv4 alone, but after the program).
/// - Quotes have a meaning, as in inetutils, and join words as a shell's do (openbsd-inetd: they have none).
/// - nowait:MAX is nowait.MAX, as in NetBSD. nowait/MAX isn't taken, because it is another limit in FreeBSD.
/// - dgram with nowait is taken, as openbsd-inetd does, with a warning.
/// - An internal service may be named by its port or an alias (openbsd-inetd: its official name alone).
/// - There is no limit to a program's arguments (openbsd-inetd drops those after the 20th).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bullpen {

enum class InetdSocket { stream, dgram, seqpacket };
enum class InetdProtocol { tcp, tcp4, tcp6, tcp46, udp, udp4, udp6, udp46, unix_domain };

/// One service of the file.
struct InetdEntry {
    int line = 0;                        ///< Where it begins, from 1.
    std::string service;                 ///< As written: "ftp", "2121", or the path of a UNIX socket.
    std::vector<std::string> addresses;  ///< Numbers or host names, without brackets; empty: all addresses.
    InetdSocket socket = InetdSocket::stream;
    InetdProtocol protocol = InetdProtocol::tcp;
    std::uint16_t port = 0;  ///< 0 for unix.
    bool waits = false;      ///< The program gets the listening or datagram socket itself. Never if internal.
    int max_a_minute = 0;    ///< nowait.MAX; 0: no limit was given.
    int max_per_source = 0;  ///< nowait.MAX:N; 0: none. Never of a program that waits.
    std::string user;
    std::string group;  ///< Empty: the user's first one.
    bool internal = false;
    std::string program;                 ///< An absolute path; empty if internal.
    std::vector<std::string> arguments;  ///< argv, its [0] included, which is there; empty if internal.

    bool operator==(const InetdEntry&) const = default;
};

struct InetdComplaint {
    int line = 0;       ///< Where its service begins, as InetdEntry's.
    std::string field;  ///< "service", "socket type", "protocol", "wait", "user", "program", "arguments"
    std::string
        sentence;  ///< What is wrong with it, and what is allowed: one line, however long the file's is.
    bool is_warning = false;  ///< The line is right all the same.
};

struct InetdConf {
    std::vector<InetdEntry> entries;         ///< Of the lines that are right, in their order.
    std::vector<InetdComplaint> complaints;  ///< In the order of their lines.
};

/// The port of a service of /etc/services by its name or alias and "tcp" or "udp"; nothing if it isn't there.
using PortLookup = std::function<std::optional<std::uint16_t>(const std::string& name, const char* protocol)>;

/// Reads the text of a file. Opens and looks up nothing but by `ports`: whether users, programs and hosts
/// exist is for the caller to see. Throws nothing of its own; takes time in proportion to the text.
InetdConf parse_inetd_conf(std::string_view text, const PortLookup& ports);

/// "echo", "discard", "chargen", "daytime" or "time": which of them an internal entry is. Empty if it is
/// none, which parse_inetd_conf() complains about.
std::string_view internal_service(const InetdEntry& entry);

}  // namespace bullpen
