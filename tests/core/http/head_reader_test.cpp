#include "core/http/head_reader.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <utility>

#include "core/served_connection.hpp"

using namespace bullpen;
using namespace bullpen::http;
using Outcome = HeadReader::Outcome;
using std::chrono::milliseconds;

namespace {

/// A client at the other end of a socketpair.
struct Visitor {
    explicit Visitor(TimeLimits limits = {}) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        client.reset(ends[0]);
        server.emplace(UniqueFd{ends[1]});
        server->connection().set_socket_timeouts();
        server->connection().limits() = limits;
        reader.emplace(server->connection());
    }
    Outcome next() {
        const std::optional<Outcome> found = reader->next(progress);
        REQUIRE(found);
        if (*found == Outcome::head) reader->take(progress, std::exchange(body_size, 0));
        return *found;
    }
    void send(std::string_view text) const {
        REQUIRE(::send(client.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }

    UniqueFd client;
    std::optional<ServedConnection> server;
    std::optional<HeadReader> reader;
    HeadProgress progress;
    std::uint32_t body_size = 0;  ///< Of the next request.
};

}  // namespace

TEST_SUITE("head reader") {
    const std::string first = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string second = "GET /2 HTTP/1.1\r\n\r\n";

    TEST_CASE("a head is read, and then the end") {
        Visitor visitor;
        visitor.send(first);
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == first);
        CHECK_FALSE(visitor.reader->has_more());
        visitor.client.reset();
        CHECK(visitor.next() == Outcome::end);
    }

    TEST_CASE("requests that come together are told apart") {
        Visitor visitor;
        visitor.send(first + second + second.substr(0, 7));
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == first);
        CHECK(visitor.reader->has_more());
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == second);
        CHECK(visitor.reader->has_more());
        visitor.send(second.substr(7));
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == second);
        CHECK_FALSE(visitor.reader->has_more());
    }

    TEST_CASE("a head may come byte by byte") {
        Visitor visitor;
        std::thread dripping{[&] {
            for (const char c : "\r\n" + first + second)
                visitor.send({&c, 1});
        }};
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == first);
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == second);
        dripping.join();
    }

    TEST_CASE("many pipelined requests pass through the buffer, whatever their boundaries") {
        Visitor visitor;
        constexpr int count = 5000;
        std::thread pipelining{[&] {
            std::string all;
            for (int i = 0; i < count; ++i)
                all += i % 3 == 0 ? first : second;
            for (std::string_view rest = all; !rest.empty();
                 rest.remove_prefix(std::min<std::size_t>(rest.size(), 10'007)))
                visitor.send(rest.substr(0, 10'007));
        }};
        for (int i = 0; i < count; ++i) {
            REQUIRE(visitor.next() == Outcome::head);
            REQUIRE(visitor.reader->head() == (i % 3 == 0 ? first : second));
        }
        pipelining.join();
    }

    TEST_CASE("empty lines in front of a request are skipped") {
        Visitor visitor;
        visitor.send("\r\n\r\n" + first + "\r\n" + second);
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == first);
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == second);
    }

    TEST_CASE("a body that nobody wants is thrown away, wherever it is cut") {
        const std::string body(100'000, 'b');
        for (const std::size_t with_the_head :
             {std::size_t{0}, std::size_t{1}, std::size_t{9'999}, body.size()}) {
            Visitor visitor;
            visitor.body_size = static_cast<std::uint32_t>(body.size());
            std::thread uploading{[&] {
                visitor.send(first + body.substr(0, with_the_head));
                visitor.send(body.substr(with_the_head) + second);
            }};
            CHECK(visitor.next() == Outcome::head);
            CHECK(visitor.next() == Outcome::head);
            CHECK(visitor.reader->head() == second);
            CHECK_FALSE(visitor.reader->has_more());
            uploading.join();
        }
    }

    TEST_CASE("a small body and the next request leave with the head in one piece") {
        Visitor visitor;
        visitor.body_size = 5;
        visitor.send(first + "12345" + second);
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.progress.body == 0);
        CHECK(visitor.reader->has_more());
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == second);
    }

    TEST_CASE("a client that ends within a body has no other request") {
        Visitor visitor;
        visitor.body_size = 100;
        visitor.send(first + "half");
        CHECK(visitor.next() == Outcome::head);
        visitor.client.reset();
        CHECK(visitor.next() == Outcome::end);
    }

    TEST_CASE("a client that withholds a body runs into the body limit") {
        Visitor visitor{{.body = milliseconds{300}}};
        visitor.body_size = 100;
        visitor.send(first + "half");
        CHECK(visitor.next() == Outcome::head);
        CHECK_THROWS_AS(static_cast<void>(visitor.next()), TimedOut);
        CHECK(visitor.server->exceeded() == Limit::body);
    }

    TEST_CASE("a client that comes and goes has no request") {
        Visitor visitor;
        visitor.client.reset();
        CHECK(visitor.next() == Outcome::end);
    }

    TEST_CASE("a head that ends in the middle is malformed") {
        Visitor visitor;
        visitor.send(first.substr(0, 20));
        visitor.client.reset();
        CHECK(visitor.next() == Outcome::malformed);
    }

    TEST_CASE("a line without CR is malformed at once, whichever it is") {
        for (const char* head :
             {"GET / HTTP/1.0\n\n", "\n", "\r\n\nGET / HTTP/1.0", "GET / HTTP/1.1\r\nHost: x\n\n",
              "GET / HTTP/1.1\r\nHost: x\r\n\n", "GET / HTTP/1.1\r\n\nHost: x"}) {
            Visitor visitor;
            visitor.send(head);
            CHECK(visitor.next() == Outcome::malformed);
        }
    }

    TEST_CASE("a request line may be as long as its limit and no longer") {
        const std::string rest = "\r\nHost: x\r\n\r\n";
        const std::string longest(HeadReader::request_line_max, 'a');
        Visitor fitting;
        fitting.send(longest + rest);
        CHECK(fitting.next() == Outcome::head);
        Visitor too_long;
        too_long.send(longest + "a" + rest);
        CHECK(too_long.next() == Outcome::line_too_long);
        Visitor endless;
        endless.send(longest + "a");
        CHECK(endless.next() == Outcome::line_too_long);
    }

    TEST_CASE("a head may be as long as the buffer and no longer") {
        const std::string begin = "GET / HTTP/1.1\r\nA: ";
        const std::string padding(HeadBuffer::head_max - begin.size() - 4, 'a');
        Visitor fitting;
        fitting.send(begin + padding + "\r\n\r\n");
        CHECK(fitting.next() == Outcome::head);
        Visitor too_long;
        too_long.send(begin + padding + "a\r\n\r\n");
        CHECK(too_long.next() == Outcome::head_too_long);
    }

    TEST_CASE("a client that drips is cut off when the whole head is due") {
        Visitor visitor{{.header = milliseconds{600}}};
        std::atomic<bool> cut_off = false;
        std::thread dripping{[&] {
            while (!cut_off) {
                visitor.send("a");
                std::this_thread::sleep_for(milliseconds{50});
            }
        }};
        const auto begun = std::chrono::steady_clock::now();
        CHECK_THROWS_AS(static_cast<void>(visitor.next()), TimedOut);
        const auto lasted = std::chrono::steady_clock::now() - begun;
        cut_off = true;
        dripping.join();
        CHECK(lasted >= milliseconds{300});
        CHECK(lasted < milliseconds{5000});
    }

    TEST_CASE("a client that is idle between two requests runs into the idle limit") {
        Visitor visitor{{.idle = milliseconds{300}}};
        visitor.send(first);
        CHECK(visitor.next() == Outcome::head);
        CHECK_THROWS_AS(static_cast<void>(visitor.next()), TimedOut);
        CHECK(visitor.server->exceeded() == Limit::idle);
    }
}
