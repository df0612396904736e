#include "servers/inetd/inetd_conf.hpp"

#include <doctest/doctest.h>

#include <ctime>
#include <string>

#include "servers/inetd/services_file.hpp"

using namespace bullpen;

namespace {

std::optional<std::uint16_t> some_port(const std::string& name, const char* protocol) {
    const bool is_tcp = std::string_view{protocol} == "tcp";
    if (name == "ftp" && is_tcp) return std::uint16_t{21};
    if (name == "tftp" && !is_tcp) return std::uint16_t{69};
    if (name == "echo") return std::uint16_t{7};
    if (name == "sink") return std::uint16_t{9};
    return std::nullopt;
}

InetdConf parse(const std::string& text) {
    return parse_inetd_conf(text, some_port);
}

/// The only entry of a text with no complaint but warnings.
InetdEntry entry(const std::string& text) {
    const InetdConf conf = parse(text);
    for (const InetdComplaint& complaint : conf.complaints)
        CHECK_MESSAGE(complaint.is_warning, complaint.sentence);
    REQUIRE(conf.entries.size() == 1);
    return conf.entries[0];
}

/// "LINE FIELD: SENTENCE" for each that is wrong, and with "(warning)" before the sentence for what isn't.
std::string complaints(const std::string& text) {
    std::string all;
    for (const InetdComplaint& one : parse(text).complaints)
        all += (all.empty() ? "" : "\n") + std::to_string(one.line) + " " + one.field + ": " +
               (one.is_warning ? "(warning) " : "") + one.sentence;
    return all;
}

std::vector<std::string> services(const std::string& text) {
    std::vector<std::string> names;
    for (const InetdEntry& one : parse(text).entries)
        names.push_back(one.service);
    return names;
}

using Words = std::vector<std::string>;

/// A line with one field replaced.
std::string with(std::size_t field, const std::string& word) {
    Words words{"ftp", "stream", "tcp", "nowait", "root", "/bin/ftpd", "ftpd"};
    words[field] = word;
    std::string line;
    for (const std::string& one : words)
        line += (line.empty() ? "" : " ") + one;
    return line;
}

}  // namespace

TEST_SUITE("servers: inetd.conf") {
    TEST_CASE("a line is a service") {
        const InetdEntry ftp = entry("ftp\tstream tcp  nowait\troot:adm /usr/sbin/in.ftpd in.ftpd -l -a\n");
        CHECK(ftp.line == 1);
        CHECK(ftp.service == "ftp");
        CHECK(ftp.addresses.empty());
        CHECK(ftp.socket == InetdSocket::stream);
        CHECK(ftp.protocol == InetdProtocol::tcp);
        CHECK(ftp.port == 21);
        CHECK_FALSE(ftp.waits);
        CHECK(ftp.max_a_minute == 0);
        CHECK(ftp.max_per_source == 0);
        CHECK(ftp.user == "root");
        CHECK(ftp.group == "adm");
        CHECK_FALSE(ftp.internal);
        CHECK(ftp.program == "/usr/sbin/in.ftpd");
        CHECK(ftp.arguments == Words{"in.ftpd", "-l", "-a"});
    }

    TEST_CASE("an empty file has no services and nothing wrong") {
        for (const char* text : {"", "\n", "\n\n", "# ftp", "#<off># ftp stream tcp nowait root /bin/ftpd\n",
                                 " \t\n", "\r\n", "#\n  # indented after a comment\n", "  # indented\n"}) {
            const InetdConf conf = parse(text);
            CHECK(conf.entries.empty());
            CHECK(conf.complaints.empty());
        }
    }

    TEST_CASE("the last line needs no newline, and a line may end in CR LF") {
        CHECK(entry("ftp stream tcp nowait root /bin/ftpd ftpd").arguments == Words{"ftpd"});
        CHECK(entry("ftp stream tcp nowait root /bin/ftpd ftpd\r\n").arguments == Words{"ftpd"});
    }

    TEST_CASE("a line that begins with a blank continues the one before, whatever field it ended at") {
        const InetdConf conf = parse(
            "#\nftp stream tcp nowait\n  root\n\t/bin/ftpd ftpd\n \n  -l\n2121 stream tcp nowait root "
            "/bin/ftpd\n");
        REQUIRE(conf.entries.size() == 2);
        CHECK(conf.complaints.empty());
        CHECK(conf.entries[0].line == 2);
        CHECK(conf.entries[0].arguments == Words{"ftpd", "-l"});
        CHECK(conf.entries[1].line == 7);
    }

    TEST_CASE("a comment and an empty line end what could be continued") {
        for (const char* between : {"# comment\n", "\n", ""}) {
            const std::string text = (*between ? "ftp stream tcp nowait root /bin/ftpd\n" : "") +
                                     std::string{between} + "  -l\n  -a\n";
            CAPTURE(text);
            CHECK(complaints(text) ==
                  (*between ? "3" : "1") +
                      std::string{" service: the line begins with a blank and has no line before it to "
                                  "continue; expected it to begin in the first column"});
        }
    }

    TEST_CASE("a '#' after blanks is a word of the line that it continues, with a warning") {
        const std::string text = "ftp stream tcp nowait root /bin/ftpd ftpd\n  # more\n";
        CHECK(entry(text).arguments == Words{"ftpd", "#", "more"});
        CHECK(complaints(text) ==
              "1 arguments: (warning) a '#' after blanks begins no comment, but continues the line before; "
              "expected it to be the line's first byte");
        CHECK(entry("ftp stream tcp nowait root /bin/ftpd ftpd # more").arguments ==
              Words{"ftpd", "#", "more"});
    }

    TEST_CASE("quotes keep blanks, join what stands beside them, and may be empty") {
        CHECK(entry(with(6, R"("a b" 'c  d' x"y z"w '' "it's" 'say "x"' \" \")")).arguments ==
              Words{"a b", "c  d", "xy zw", "", "it's", "say \"x\"", "\\ \\"});
        CHECK(entry("\"ftp\" 'stream' tcp nowait \"root\" '/bin/my ftpd'").program == "/bin/my ftpd");
        CHECK(entry(with(6, "'a#b' \"#\"")).arguments == Words{"a#b", "#"});
    }

    TEST_CASE("a quote ends in its line") {
        CHECK(complaints(with(6, "'a b\n c'")) ==
              "1 arguments: the quote ' has no end; expected another one in its line");
        CHECK(complaints(with(4, "\"root")) ==
              "1 user: the quote \" has no end; expected another one in its line\n"
              "1 program: the program field is missing; expected its path from / on, or internal");
    }

    TEST_CASE("addresses stand before the service") {
        CHECK(entry("10.0.0.1:" + with(0, "ftp")).addresses == Words{"10.0.0.1"});
        CHECK(entry("10.0.0.1,localhost:" + with(0, "ftp")).addresses == Words{"10.0.0.1", "localhost"});
        CHECK(entry("[::1]:" + with(0, "ftp")).addresses == Words{"::1"});
        CHECK(entry("::1:" + with(0, "2121")).addresses == Words{"::1"});
        CHECK(entry("[fe80::1%eth0],[2001:db8::1]:" + with(0, "21")).addresses ==
              Words{"fe80::1%eth0", "2001:db8::1"});
        CHECK(entry("0.0.0.0,x7.example:" + with(0, "ftp")).addresses == Words{"0.0.0.0", "x7.example"});
        CHECK(entry("*:" + with(0, "ftp")).addresses.empty());
        CHECK(entry("127.0.0.1,*:" + with(0, "ftp")).addresses.empty());
        CHECK(entry("a,b,a:" + with(0, "ftp")).addresses == Words{"a", "b"});
        CHECK(entry("a,b,a:" + with(0, "ftp")).service == "ftp");
    }

    TEST_CASE("what is no address gets a sentence") {
        const std::string expected =
            " is not an address; expected *, an IP address or a host's name (several with commas), then ':' "
            "and the service";
        for (const char* address :
             {"", "a b", "[::1", "[10.0.0.1]", "1::2::3", "a/b", "[]", "-\xc3\xbc", "10.0.0.256", "7"})
            CHECK(complaints(with(0, "'" + std::string{address} + ":ftp'")) ==
                  "1 service: '" + std::string{address} + "'" + expected);
        CHECK(complaints(with(0, "a,,b:ftp")) == "1 service: ''" + expected);
        CHECK(complaints("10.0.0.1,:\n") == "1 service: ''" + expected);
    }

    TEST_CASE("a service has 64 addresses at most") {
        std::string list = "h0";
        for (int i = 1; i < 64; ++i)
            list += ",h" + std::to_string(i);
        CHECK(entry(list + ":" + with(0, "ftp")).addresses.size() == 64);
        CHECK(complaints(list + ",h64:" + with(0, "ftp")) ==
              "1 service: a service has more than 64 addresses; expected fewer, or *");
    }

    TEST_CASE("a line of addresses alone sets those of the lines after it that name none") {
        const InetdConf conf = parse("127.0.0.1,[::1]:\n" + with(0, "ftp") + "\n10.0.0.1:" + with(0, "ftp") +
                                     "\n/run/x stream unix nowait root /bin/x\n*:" + with(0, "2121") +
                                     "\n*:\n" + with(0, "2122") + "\n");
        CHECK(conf.complaints.empty());
        REQUIRE(conf.entries.size() == 5);
        CHECK(conf.entries[0].addresses == Words{"127.0.0.1", "::1"});
        CHECK(conf.entries[1].addresses == Words{"10.0.0.1"});
        CHECK(conf.entries[2].addresses.empty());
        CHECK(conf.entries[3].addresses.empty());
        CHECK(conf.entries[4].addresses.empty());
    }

    TEST_CASE("an address that the protocol can't have gets a sentence") {
        CHECK(complaints("127.0.0.1:21 stream tcp6 nowait root /bin/x") ==
              "1 service: '127.0.0.1' is no address for tcp6; expected an IPv6 address, or the protocol tcp");
        CHECK(
            complaints("127.0.0.1:21 dgram udp46 wait root /bin/x") ==
            "1 service: '127.0.0.1' is no address for udp46; expected an IPv6 address, or the protocol udp");
        CHECK(complaints("[::1]:21 stream tcp4 nowait root /bin/x") ==
              "1 service: '::1' is no address for tcp4; expected an IPv4 address, or the protocol tcp");
        CHECK(complaints("127.0.0.1,[::1]:21 stream tcp nowait root /bin/x").empty());
        CHECK(complaints("localhost:21 stream tcp6 nowait root /bin/x").empty());
    }

    TEST_CASE("a service is a name that the protocol knows, or a port") {
        CHECK(entry("tftp dgram udp wait root /bin/x").port == 69);
        CHECK(entry("1 dgram udp wait root /bin/x").port == 1);
        CHECK(entry("65535 dgram udp wait root /bin/x").port == 65535);
        CHECK(complaints("tftp stream tcp nowait root /bin/x") ==
              "1 service: 'tftp' is not a service of /etc/services over tcp; expected a service's "
              "name or a port from 1 to 65535");
        CHECK(complaints("ftp dgram udp6 wait root /bin/x") ==
              "1 service: 'ftp' is not a service of /etc/services over udp; expected a service's "
              "name or a port from 1 to 65535");
        for (const char* port : {"0", "65536", "99999999999999999999"})
            CHECK(complaints(with(0, port)) ==
                  "1 service: '" + std::string{port} +
                      "' is not a port; expected a service's name or a port from 1 to 65535");
        CHECK(complaints("127.0.0.1: stream tcp nowait root /bin/x") ==
              "1 service: '127.0.0.1:' names no service after its ':'; expected a name from /etc/services, a "
              "port or a path");
        CHECK(complaints(with(0, "tcpmux/+date")) ==
              "1 service: 'tcpmux/+date' is a TCPMUX service, which is not "
              "supported; expected a service with a port of its own");
    }

    TEST_CASE("a UNIX socket has a path of 107 bytes at most, and no address") {
        CHECK(entry("/run/a:b stream unix nowait root /bin/x").service == "/run/a:b");
        CHECK(entry("/run/x dgram unix wait root /bin/x").port == 0);
        CHECK(entry("/run/x seqpacket unix nowait root /bin/x").socket == InetdSocket::seqpacket);
        const std::string path = "/" + std::string(106, 'x');
        CHECK(entry(path + " stream unix nowait root /bin/x").service == path);
        for (const std::string& wrong :
             {path + "x", std::string{"run/x"}, std::string{"/run/"}, std::string{"ftp"}})
            CHECK(complaints(wrong + " stream unix nowait root /bin/x")
                      .ends_with(
                          " is not the path of a UNIX socket; expected one from / on of 107 bytes at most"));
        const std::string with_address = "10.0.0.1:/run/x stream unix nowait root /bin/x";
        CHECK(entry(with_address).service == "/run/x");
        CHECK(entry(with_address).addresses.empty());
        CHECK(complaints(with_address) ==
              "1 service: (warning) the address before the ':' is ignored: a UNIX socket has none");
    }

    TEST_CASE("a socket type is one of three") {
        CHECK(complaints(with(1, "strem")) ==
              "1 socket type: 'strem' is not a socket type; expected stream, dgram or seqpacket (did you "
              "mean stream?)");
        CHECK(complaints(with(1, "7")) ==
              "1 socket type: '7' is not a socket type; expected stream, dgram or seqpacket");
        for (const char* type : {"raw", "rdm"})
            CHECK(complaints(with(1, type)) ==
                  "1 socket type: '" + std::string{type} +
                      "' sockets are not supported; expected stream, dgram or seqpacket");
    }

    TEST_CASE("a protocol goes with some socket types") {
        struct {
            const char* socket;
            const char* protocol;
            InetdProtocol read;
        } const right[] = {{"stream", "tcp", InetdProtocol::tcp},
                           {"stream", "tcp4", InetdProtocol::tcp4},
                           {"stream", "tcp6", InetdProtocol::tcp6},
                           {"stream", "tcp46", InetdProtocol::tcp46},
                           {"dgram", "udp", InetdProtocol::udp},
                           {"dgram", "udp4", InetdProtocol::udp4},
                           {"dgram", "udp6", InetdProtocol::udp6},
                           {"dgram", "udp46", InetdProtocol::udp46},
                           {"stream", "unix", InetdProtocol::unix_domain},
                           {"dgram", "unix", InetdProtocol::unix_domain},
                           {"seqpacket", "unix", InetdProtocol::unix_domain}};
        for (const auto& row : right) {
            const std::string service = row.read == InetdProtocol::unix_domain ? "/run/x " : "4000 ";
            CHECK(entry(service + row.socket + " " + row.protocol + " wait root /bin/x").protocol ==
                  row.read);
        }
        CHECK(complaints(with(2, "udp4")) ==
              "1 protocol: a stream socket has no protocol udp4; expected tcp, tcp4, tcp6, tcp46 or unix");
        CHECK(complaints("4000 dgram tcp wait root /bin/x") ==
              "1 protocol: a dgram socket has no protocol tcp; expected udp, udp4, udp6, udp46 or unix");
        CHECK(complaints("4000 seqpacket tcp nowait root /bin/x") ==
              "1 protocol: a seqpacket socket has no protocol tcp; expected unix");
    }

    TEST_CASE("another protocol gets a sentence, and a buffer's size a warning") {
        CHECK(complaints(with(2, "tpc")) ==
              "1 protocol: 'tpc' is not a protocol; expected tcp, tcp4, tcp6, tcp46, udp, "
              "udp4, udp6, udp46 or unix (did you mean tcp?)");
        CHECK(complaints(with(2, "rpc/tcp")) ==
              "1 protocol: 'rpc/tcp' is for Sun RPC, which is not supported; expected "
              "tcp, udp, one of these with 4, 6 or 46, or unix");
        CHECK(entry(with(2, "tcp,rcvbuf=64k,sndbuf=1m")).protocol == InetdProtocol::tcp);
        CHECK(complaints(with(2, "tcp,rcvbuf=64k,sndbuf=1m")) ==
              "1 protocol: (warning) 'rcvbuf=64k,sndbuf=1m' is ignored: the kernel chooses the sizes of "
              "buffers");
        for (const char* sizes : {"", "x", "rcvbuf=1,", "rcvbuf=1,x"})
            CHECK(complaints(with(2, "tcp," + std::string{sizes})) ==
                  "1 protocol: '" + std::string{sizes} +
                      "' is not a buffer's size; expected rcvbuf=SIZE or sndbuf=SIZE");
    }

    TEST_CASE("wait and nowait may have limits") {
        struct {
            const char* word;
            bool waits;
            int a_minute, per_source;
        } const right[] = {{"wait", true, 0, 0},
                           {"nowait", false, 0, 0},
                           {"nowait.60", false, 60, 0},
                           {"wait.5", true, 5, 0},
                           {"nowait.60:2", false, 60, 2},
                           {"nowait:60", false, 60, 0},
                           {"nowait:60:2", false, 60, 2},
                           {"nowait.0", false, 0, 0},
                           {"nowait.0:3", false, 0, 3},
                           {"wait.5:0", true, 5, 0},
                           {"nowait.1000000", false, 1'000'000, 0}};
        for (const auto& row : right) {
            CAPTURE(row.word);
            const InetdEntry read = entry(with(3, row.word));
            CHECK(read.waits == row.waits);
            CHECK(read.max_a_minute == row.a_minute);
            CHECK(read.max_per_source == row.per_source);
        }
    }

    TEST_CASE("other words than wait and nowait, and other limits than numbers, get a sentence") {
        CHECK(complaints(with(3, "nowiat")) ==
              "1 wait: 'nowiat' is not wait or nowait; expected wait or nowait (did you mean nowait?)");
        for (const char* word : {"nowait.", "nowait.x", "nowait.-1", "nowait.1000001",
                                 "nowait.1:", "nowait.1:2:3", "wait:", "nowait.99999999999999999999"})
            CHECK(complaints(with(3, word)) ==
                  "1 wait: '" + std::string{word} +
                      "' has a limit that is not a number from 0 (none) to 1000000; expected "
                      "wait or nowait, with .MAX (starts a minute) or .MAX:PER_SOURCE after it");
        CHECK(complaints(with(3, "nowait/8")) ==
              "1 wait: 'nowait/8' has '/', which limits processes in FreeBSD; expected "
              ".MAX (starts a minute) or .MAX:PER_SOURCE");
        CHECK(complaints(with(3, "wait.60:2")) ==
              "1 wait: a program that waits takes its clients itself, and has no limit "
              "per source; expected wait or wait.MAX");
        CHECK(entry("echo dgram udp wait.60:2 root internal").max_per_source == 2);
        CHECK_FALSE(entry("echo dgram udp wait root internal").waits);
    }

    TEST_CASE("dgram with nowait is taken with a warning, unless it is internal") {
        const std::string text = "tftp dgram udp nowait root /bin/x";
        CHECK_FALSE(entry(text).waits);
        CHECK(complaints(text) ==
              "1 wait: (warning) dgram with nowait starts the program again and again until it has "
              "read the datagram; wait is usual");
        CHECK(complaints("echo dgram udp nowait root internal").empty());
    }

    TEST_CASE("a user may have a group, and a class, which is ignored") {
        struct {
            const char* word;
            const char* user;
            const char* group;
        } const right[] = {{"root", "root", ""},  {"a:b", "a", "b"},        {"a.b", "a", "b"},
                           {"a.b:c", "a.b", "c"}, {"a:b.c", "a", "b.c"},    {"a.b.c", "a", "b.c"},
                           {"33:33", "33", "33"}, {"a:b/daemon", "a", "b"}, {"a/daemon", "a", ""}};
        for (const auto& row : right) {
            CAPTURE(row.word);
            const InetdEntry read = entry(with(4, row.word));
            CHECK(read.user == row.user);
            CHECK(read.group == row.group);
        }
        CHECK(complaints(with(4, "root:wheel/daemon")) ==
              "1 user: (warning) the class 'daemon' is ignored: Linux has no login classes");
        for (const char* word : {":b", ".b", "/c", ":", "''"})
            CHECK(
                complaints(with(4, word)).ends_with("' has no name of a user; expected USER or USER:GROUP"));
        for (const char* word : {"a:", "a.", "a:/c"})
            CHECK(
                complaints(with(4, word)).ends_with("' has no name of a group; expected USER or USER:GROUP"));
    }

    TEST_CASE("a program is an absolute path, and its arguments begin with its name") {
        CHECK(entry("ftp stream tcp nowait root /usr/bin/ftpd").arguments == Words{"ftpd"});
        CHECK(entry("ftp stream tcp nowait root /usr/bin/ftpd other").arguments == Words{"other"});
        CHECK(complaints(with(5, "bin/ftpd")) ==
              "1 program: 'bin/ftpd' is not a program; expected its path from / on, or internal");
        CHECK(complaints(with(5, "intrenal")) ==
              "1 program: 'intrenal' is not a program; expected its path from / on, or "
              "internal (did you mean internal?)");
        CHECK(complaints(with(5, "/bin/")) ==
              "1 program: '/bin/' is a directory's path; expected a program's, or internal");
    }

    TEST_CASE("an internal service is one of five, by its name or by its port's") {
        const auto internal = [](const std::string& service) {
            const InetdEntry read = entry(service + " stream tcp nowait root internal");
            CHECK(read.internal);
            CHECK(read.program.empty());
            CHECK(read.arguments.empty());
            return std::string{internal_service(read)};
        };
        CHECK(internal("echo") == "echo");
        CHECK(internal("127.0.0.1:echo") == "echo");
        CHECK(internal("sink") == "discard");
        for (const auto& [port, name] :
             {std::pair{"7", "echo"}, {"9", "discard"}, {"13", "daytime"}, {"19", "chargen"}, {"37", "time"}})
            CHECK(internal(port) == name);
        CHECK(complaints("ftp stream tcp nowait root internal") ==
              "1 program: 'ftp' is not an internal service; expected echo, discard, chargen, daytime or "
              "time, or a "
              "program's path");
        CHECK(complaints("echo stream tcp nowait root internal internal").empty());
        const std::string surplus = "echo stream tcp nowait root internal internal -x -y";
        CHECK(entry(surplus).arguments.empty());
        CHECK(complaints(surplus) ==
              "1 arguments: (warning) '-x' is ignored: an internal service has no arguments");
    }

    TEST_CASE("a name of the five is what it says, whatever its port is") {
        const InetdConf conf =
            parse_inetd_conf("time stream tcp nowait root internal",
                             [](const std::string&, const char*) { return std::uint16_t{7}; });
        REQUIRE(conf.entries.size() == 1);
        CHECK(internal_service(conf.entries[0]) == "time");
    }

    TEST_CASE("a line that ends too early names the field that is missing") {
        const std::pair<const char*, const char*> missing[] = {
            {"ftp", "socket type: the socket type field is missing; expected stream, dgram or seqpacket"},
            {"ftp stream",
             "protocol: the protocol field is missing; expected tcp, udp, one of these with 4, 6 or 46, or "
             "unix"},
            {"ftp stream tcp",
             "wait: the wait field is missing; expected wait or nowait, with or without .MAX or "
             ".MAX:PER_SOURCE"},
            {"ftp stream tcp nowait", "user: the user field is missing; expected USER or USER:GROUP"},
            {"ftp stream tcp nowait root",
             "program: the program field is missing; expected its path from / on, or internal"}};
        for (const auto& [text, sentence] : missing)
            CHECK(complaints(text) == "1 " + std::string{sentence});
    }

    TEST_CASE("each wrong field of a line has its sentence, and a line with one is no entry") {
        const std::string text = with(0, "2121") + "\nftp strem tpc nowiat : ftpd\n" + with(0, "2122") + "\n";
        CHECK(services(text) == Words{"2121", "2122"});
        std::vector<std::string> fields;
        for (const InetdComplaint& one : parse(text).complaints) {
            CHECK(one.line == 2);
            fields.push_back(one.field);
        }
        CHECK(fields == Words{"socket type", "protocol", "wait", "user", "program"});
    }

    TEST_CASE("a service that an earlier line has names that line") {
        const auto second = [](const std::string& first, const std::string& other) {
            const std::string all =
                complaints(first + " nowait root /bin/x\n#\n" + other + " nowait root /bin/x\n");
            return all.substr(0, all.find(';'));
        };
        const std::string already = "' is line 1's already";
        CHECK(second("ftp stream tcp", "ftp stream tcp") == "3 service: 'ftp" + already);
        CHECK(second("ftp stream tcp", "21 stream tcp") == "3 service: '21" + already);
        CHECK(second("21 stream tcp", "021 stream tcp4") == "3 service: '021" + already);
        CHECK(second("21 stream tcp6", "21 stream tcp") == "3 service: '21" + already);
        CHECK(second("21 stream tcp46", "21 stream tcp4") == "3 service: '21" + already);
        CHECK(second("a,[::1]:21 stream tcp", "b,[0:0::1]:21 stream tcp") == "3 service: '21" + already);
        CHECK(second("/run/x stream unix", "/run/x seqpacket unix") == "3 service: '/run/x" + already);
        CHECK(second("21 stream tcp4", "21 stream tcp6").empty());
        CHECK(second("a:21 stream tcp", "b:21 stream tcp").empty());
        CHECK(second("127.0.0.1:21 stream tcp", "21 stream tcp").empty());
        CHECK(complaints("21 stream tcp nowait root /bin/x\n21 dgram udp wait root /bin/x").empty());
        CHECK(complaints("21 stream tcp nowait root x\n21 stream tcp wait root /bin/x").find("already") ==
              std::string::npos);
    }

    TEST_CASE("control bytes and what is no UTF-8 get a sentence that is one line of UTF-8") {
        CHECK(complaints(with(6,
                              "a\x01"
                              "b")) ==
              "1 arguments: 'a\\x01b' has a control byte; expected text without any");
        CHECK(complaints(with(0, std::string{"f\0p", 3})) ==
              "1 service: 'f\\x00p' has a control byte; expected text without any");
        CHECK(complaints(with(4, "r\xff")) == "1 user: 'r\xef\xbf\xbd' is not UTF-8; expected text that is");
        CHECK(complaints("ftp\r stream tcp nowait root /bin/x") ==
              "1 service: 'ftp\\x0d' has a control byte; expected text without any");
        CHECK(entry(with(6, "'\t' \xc3\xbc")).arguments == Words{"\t", "\xc3\xbc"});
        CHECK(complaints("# \x01 \xff\n").empty());
    }

    TEST_CASE("a long word is shown up to 80 bytes, and cut between letters") {
        const std::string cut =
            "1 socket type: '" + std::string(80, 'x') + "…' is not a socket type; expected";
        CHECK(complaints(with(1, std::string(100'000, 'x'))).starts_with(cut));
        std::string umlauts = "x";
        for (int i = 0; i < 60; ++i)
            umlauts += "ü";
        CHECK(complaints(with(1, umlauts)).starts_with("1 socket type: '" + umlauts.substr(0, 79) + "…' is"));
    }

    TEST_CASE("long lines and many lines take time in proportion to their size") {
        const std::clock_t begin = std::clock();
        CHECK(entry(with(6, std::string(100'000, 'a'))).arguments[0].size() == 100'000);
        std::string words;
        for (int i = 0; i < 50'000; ++i)
            words += "a ";
        CHECK(entry(with(6, words)).arguments.size() == 50'000);
        for (const char c : {',', ':', '[', '/', '.', '\'', '\0', '\xff', '#'})
            for (const std::size_t field : {0, 1, 2, 3, 5})  // A user may have any name.
                CHECK(parse(with(field, std::string(100'000, c))).entries.empty());

        std::string right = "a,b,c,d:\n";
        std::string wrong;
        for (int i = 1; i <= 10'000; ++i) {
            right += with(0, std::to_string(i)) + "\n";
            wrong += " x\n\n";
        }
        CHECK(parse(right).entries.size() == 10'000);
        CHECK(parse(right + right).complaints.size() == 10'000);
        CHECK(parse(wrong).complaints.size() == 10'000);
        CHECK(std::clock() - begin < 60 * CLOCKS_PER_SEC);  // Of the processor; were it quadratic: hours.
    }

    TEST_CASE("/etc/services has names, aliases and their protocols") {
        CHECK(port_in_services_file("ftp", "tcp") == 21);
        CHECK(port_in_services_file("sink", "udp") == 9);
        CHECK_FALSE(port_in_services_file("tftp", "tcp"));
        CHECK_FALSE(port_in_services_file("no-such-service", "tcp"));
        CHECK_FALSE(port_in_services_file("", "tcp"));
    }
}
