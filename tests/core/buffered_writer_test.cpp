#include <bullpen/buffered_writer.hpp>

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/contains.hpp"
#include "tests/core/connection_pair.hpp"
#include "tests/core/contents.hpp"
#include "tests/end_of_program.hpp"

using namespace bullpen;
using std::chrono::milliseconds;

namespace {

/// What the client has got by now.
std::string got(const UniqueFd& client) {
    std::array<char, 1 << 16> buffer;
    const ssize_t size = ::recv(client.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

}  // namespace

TEST_SUITE("core: buffered writers") {
    TEST_CASE("small writes are collected until they are flushed, and leave at once then") {
        ConnectionPair pair = pair_of(unix_sockets());
        BufferedWriter out{pair.server};
        out.write("hello ");
        out.write("world");
        CHECK(out.size() == 11);
        CHECK(got(pair.client).empty());
        out.flush();
        CHECK(out.size() == 0);
        CHECK(got(pair.client) == "hello world");
        out.flush();
        CHECK(got(pair.client).empty());
    }

    TEST_CASE("what finds no room sends what was collected before it, and waits for the next") {
        ConnectionPair pair = pair_of(unix_sockets());
        BufferedWriter out{pair.server, 8};
        out.write("12345");
        out.write("678");
        CHECK(got(pair.client).empty());
        out.write("abc");
        CHECK(got(pair.client) == "12345678");
        CHECK(out.size() == 3);
        out.flush();
        CHECK(got(pair.client) == "abc");
    }

    TEST_CASE("a large write goes out directly, behind what was collected") {
        for (auto* const make : {tcp_sockets, unix_sockets}) {
            ConnectionPair pair = pair_of(make());
            const std::string large = many_bytes(3'000'000);
            std::string all;
            std::thread reader{[&] { all = read_until_end(pair.client.get()); }};
            BufferedWriter out{pair.server};
            out.write("head:");
            out.write(large);
            CHECK(out.size() == 0);
            out.write(":tail");
            out.write_last(".");
            reader.join();
            CHECK(all == "head:" + large + ":tail.");
        }
    }

    TEST_CASE("bytes of any size come out in order, whatever the room") {
        const std::string bytes = many_bytes(20'000);
        for (const std::size_t room : {0, 1, 7, 64, 100'000}) {
            ConnectionPair pair = pair_of(unix_sockets());
            std::string all;
            std::thread reader{[&] { all = read_until_end(pair.client.get()); }};
            BufferedWriter out{pair.server, room};
            std::string_view rest = bytes;
            for (std::size_t size = 0; !rest.empty(); size = (size * 5 + 1) % 97) {
                out.write(rest.substr(0, size));
                rest = rest.substr(std::min(size, rest.size()));
            }
            out.write_last();
            reader.join();
            CHECK(all == bytes);
        }
    }

    TEST_CASE("nothing collected is nothing sent, but the last write ends our side") {
        ConnectionPair pair = pair_of(unix_sockets());
        BufferedWriter{pair.server}.write_last();
        CHECK(read_until_end(pair.client.get()).empty());
    }

    TEST_CASE("bytes that were never sent are named in the log, unless an exception is why") {
        const auto said = [](bool throws) {
            return end_of_program([throws] {
                       SocketPair sockets = unix_sockets();
                       Connection client{std::move(sockets.server)};
                       try {
                           BufferedWriter out{client};
                           out.write("lost");
                           if (throws) throw std::runtime_error{"why"};
                       } catch (const std::runtime_error&) {
                       }
                       return 0;
                   })
                .said;
        };
        CHECK(contains(said(false), "a BufferedWriter ended with 4 bytes that were never sent"));
        CHECK(said(true).empty());
    }

    TEST_CASE("what can't be sent within the write limit is dropped with its client") {
        ConnectionPair pair = pair_of(unix_sockets());
        pair.server.limits().write = milliseconds{10};
        BufferedWriter out{pair.server};
        out.write("x");
        CHECK_THROWS_AS(out.write(many_bytes(20'000'000)), TimedOut);
        CHECK(pair.worker.exceeded() == Limit::write);
        CHECK(out.size() == 0);
    }
}
