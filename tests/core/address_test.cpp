#include <bullpen/address.hpp>
#include "core/resolve.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

std::string complaint(std::string_view text) {
    return complaint_of<AddressError>([&] { resolve(text); });
}

}  // namespace

TEST_SUITE("core: addresses") {
    TEST_CASE("what is printed can be read back") {
        for (const char* text :
             {"127.0.0.1:8080", "0.0.0.0:0", "[::1]:65535", "[::]:80", "unix:/run/web.sock", "unix:@web",
              "seqpacket:/run/web.sock", "seqpacket:@web", "udp:127.0.0.1:69", "udp:[::1]:69",
              "unixgram:/run/log", "unixgram:@log"}) {
            REQUIRE(resolve(text).size() == 1);
            CHECK(resolve(text).front().text() == text);
        }
    }

    TEST_CASE("an address has a family, a port and a path") {
        CHECK(resolve("127.0.0.1:8080").front().family() == AF_INET);
        CHECK(resolve("127.0.0.1:8080").front().port() == 8080);
        CHECK(resolve("[::1]:81").front().family() == AF_INET6);
        CHECK(resolve("[::1]:81").front().port() == 81);
        CHECK(resolve("unix:/a b").front().path() == "/a b");
        CHECK(resolve("unix:/a").front().port() == 0);
        CHECK(resolve("unix:/a").front().type() == SOCK_STREAM);
        CHECK(resolve("seqpacket:/a").front().type() == SOCK_SEQPACKET);
        CHECK(resolve("seqpacket:/a").front().path() == "/a");
        CHECK(resolve("unix:@a").front().path().empty());
        CHECK(resolve("127.0.0.1:1").front().path().empty());
        CHECK(resolve("udp:127.0.0.1:1").front().type() == SOCK_DGRAM);
        CHECK(resolve("unixgram:/a").front().type() == SOCK_DGRAM);
        CHECK(Address{}.text() == "unknown");
    }

    TEST_CASE("a service's port may be one over UDP alone") {
        CHECK(resolve("udp:127.0.0.1:tftp").front().port() == 69);
        CHECK(contains(complaint("127.0.0.1:tftp"), "the service 'tftp' is not in /etc/services"));
        CHECK(contains(complaint("udp:1.2.3.4"), "'udp:1.2.3.4' is not an address"));
        CHECK(contains(complaint("udp:::1:7"), "an IPv6 address stands in brackets"));
    }

    TEST_CASE("names of hosts and services are looked up") {
        bool ipv4 = false;
        for (const Address& address : resolve("localhost:http")) {
            CHECK(address.port() == 80);
            ipv4 = ipv4 || address.text() == "127.0.0.1:80";
        }
        CHECK(ipv4);
    }

    TEST_CASE("a port alone stands for all addresses of either family") {
        std::vector<std::string> texts;
        for (const char* text : {":80", "udp::53"})
            for (const Address& address : resolve(text))
                texts.push_back(address.text());
        CHECK(texts == std::vector<std::string>{"0.0.0.0:80", "[::]:80", "udp:0.0.0.0:53", "udp:[::]:53"});
    }

    TEST_CASE("each address of a name comes once") {
        const auto found = resolve("localhost:80");
        for (std::size_t i = 0; i < found.size(); ++i)
            for (std::size_t j = i + 1; j < found.size(); ++j)
                CHECK(found[i].text() != found[j].text());
    }

    TEST_CASE("what is no address is rejected with a sentence that quotes it") {
        for (const char* text : {"",
                                 "8080",
                                 "localhost",
                                 ":",
                                 "udp:80",
                                 "dccp:127.0.0.1:80",
                                 "sctp:80",
                                 "sctp:/run/web.sock",
                                 "127.0.0.1:",
                                 "127.0.0.1:65536",
                                 "127.0.0.1:100000",
                                 "127.0.0.1:-1",
                                 "127.0.0.1:http:",
                                 "::1:80",
                                 "[::1]",
                                 "[::1]80",
                                 "[::1",
                                 "unix:",
                                 "unix:@",
                                 "seqpacket:",
                                 "seqpacket:@",
                                 "no.such.host.invalid:80",
                                 "127.0.0.1:no-such-service"}) {
            CAPTURE(text);
            CHECK(complaint(text).starts_with("'" + std::string{text} + "' is not an address: "));
        }
    }

    TEST_CASE("a protocol that Linux has dropped is named") {
        CHECK(complaint("dccp:127.0.0.1:80").find("DCCP") != std::string::npos);
    }

    TEST_CASE("an address of SCTP is one of IP with another protocol, and is printed as such") {
        for (const char* text : {"sctp:127.0.0.1:80", "sctp:[::1]:80"}) {
            CAPTURE(text);
            const Address address = resolve(text).front();
            CHECK(address.text() == text);
            CHECK(address.type() == SOCK_STREAM);
            CHECK(address.protocol() == IPPROTO_SCTP);
            CHECK(address.with_port(90).protocol() == IPPROTO_SCTP);
            CHECK(address.with_protocol(0).text() == std::string_view{text}.substr(5));
        }
        CHECK(resolve("127.0.0.1:80").front().protocol() == 0);
        CHECK(resolve("sctp::80").size() == 2);
        CHECK(!is_for_datagrams("sctp:127.0.0.1:80"));
    }

    TEST_CASE("a port is digits up to 65535 or a name: no sign, no blank, no low 16 bits of what is larger") {
        for (const char* port : {"+80", "-0", "+70000", " 80", "80 ", "8 0", "\t80", "65536", "4294967376",
                                 "0x50", "", "-", "+", "80\n", "8_0", "18446744073709551696"}) {
            for (const char* host : {"127.0.0.1:", "[::1]:", "localhost:"}) {
                CAPTURE(host);
                CAPTURE(port);
                const std::string sentence = complaint(std::string{host} + port);
                CHECK(contains(sentence, "' is not an address: "));
                CHECK_FALSE(contains(sentence, "\n"));
            }
        }
        CHECK(resolve("127.0.0.1:00080").front().port() == 80);
    }

    TEST_CASE("no byte of an address is a blank, a control byte or NUL") {
        for (const std::string& text : {std::string{" 127.0.0.1:80"}, std::string{"127.0.0.1 :80"},
                                        std::string{"local host:80"}, std::string{"127.0.0.1:80\0x", 14},
                                        std::string{"127.0.0.1\0:80", 13}, std::string{"unix:/a\0b", 9}}) {
            CAPTURE(text);
            CHECK(contains(complaint(text), "' is not an address: "));
        }
    }

    TEST_CASE("a name is looked up in a process that leaves nothing behind") {
        const long before = open_descriptors();
        CHECK_FALSE(resolve("localhost:80").empty());
        CHECK_FALSE(complaint("no.such.host.invalid:80").empty());
        CHECK(open_descriptors() == before);
        CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);  // ECHILD: no child is left.
    }

    TEST_CASE("a UNIX socket's path has at most 107 bytes") {
        CHECK(complaint("unix:/" + std::string(106, 'x')).empty());
        CHECK(contains(complaint("unix:/" + std::string(107, 'x')), "107"));
        CHECK(complaint("unix:@" + std::string(106, 'x')).empty());
        CHECK(contains(complaint("seqpacket:@" + std::string(107, 'x')), "107"));
    }
}
