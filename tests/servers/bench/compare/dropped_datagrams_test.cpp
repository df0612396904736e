#include "servers/bench/compare/dropped_datagrams.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bullpen/unique_fd.hpp>

using namespace bullpen;

TEST_SUITE("compare: dropped datagrams") {
    TEST_CASE("the sockets of one port are summed, whatever stands beside them") {
        constexpr const char* list =
            "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
            "inode ref "
            "pointer drops            \n"
            "  101: 0100007F:1B58 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11 "
            "2 "
            "0000000000000000 7        \n"
            "  101: 0100007F:1B58 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12 "
            "2 "
            "0000000000000000 35        \n"
            "  102: 0100007F:1B59 0100007F:1B58 07 00000000:00000000 00:00000000 00000000     0        0 13 "
            "2 "
            "0000000000000000 100        \n"
            "  103: nonsense\n";
        CHECK(parse_dropped(list, 7000) == 42);
        CHECK(parse_dropped(list, 7001) == 100);
        CHECK(parse_dropped(list, 7002) == 0);
        CHECK(parse_dropped("", 7000) == 0);
    }

    TEST_CASE("what a full receive buffer has no room for is counted") {
        const UniqueFd receiver{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(receiver.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::getsockname(receiver.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        const int least = 1;
        REQUIRE(::setsockopt(receiver.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) == 0);
        CHECK(datagrams_dropped_at(ntohs(address.sin_port)) == 0);
        const UniqueFd sender{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        constexpr std::int64_t sent = 100;
        for (int i = 0; i < sent; ++i)
            REQUIRE(::sendto(sender.get(), "datagram", 8, 0, reinterpret_cast<sockaddr*>(&address), size) ==
                    8);
        std::int64_t received = 0;
        char buffer[16];
        while (::recv(receiver.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0)
            ++received;
        CHECK(received < sent);
        CHECK(received + datagrams_dropped_at(ntohs(address.sin_port)) == sent);
    }
}
