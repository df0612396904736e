#include <bullpen/testing.hpp>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "tests/core/contents.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using bullpen::testing::TestServer;

namespace {

/// Each message's sender, asked for only once the message is there.
void name_senders(Connection& client) {
    std::array<std::byte, 64> buffer;
    for (;;) {
        client.wait_readable();
        const auto message = client.read_message(buffer);
        if (!message) return;
        client.write_all(message->sender ? std::to_string(message->sender->pid) : "nobody");
    }
}

}  // namespace

TEST_SUITE("servers: messages with their senders") {
    TEST_CASE("a message that was sent before its handler asked has its sender, too") {
        const std::string path = "/tmp/bullpen-senders-" + std::to_string(::getpid());
        for (const char* model : {"prefork", "prefork-accept", "fork", "prethread"}) {
            CAPTURE(model);
            const TestServer server{{.listen = {"seqpacket:" + path}, .model = model}, name_senders};
            const UniqueFd client = server.connect();
            for (int i = 0; i < 2; ++i) {
                say(client, "who am I?");
                std::array<char, 64> said{};
                const ssize_t size = ::recv(client.get(), said.data(), said.size(), 0);
                REQUIRE(size > 0);
                CHECK(std::string(said.data(), static_cast<std::size_t>(size)) == std::to_string(::getpid()));
            }
        }
    }
}
