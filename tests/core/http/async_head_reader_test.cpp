#include "core/http/async_head_reader.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <thread>

using namespace bullpen;
using namespace bullpen::http;
using boost::asio::awaitable;
using Outcome = HeadBuffer::Outcome;
using std::chrono::milliseconds;

namespace {

/// A client at the other end of a socketpair, and the loop that its server's end runs in.
struct Visitor {
    explicit Visitor(TimeLimits limits = {}) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        client.reset(ends[0]);
        server.emplace(loop.get_executor(), UniqueFd{ends[1]});
        server->limits() = limits;
        reader.emplace(*server);
    }

    void send(std::string_view text) const {
        REQUIRE(::send(client.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }

    Outcome next() {
        std::optional<Outcome> outcome;
        std::exception_ptr thrown;
        boost::asio::co_spawn(loop, reader->next(), [&](std::exception_ptr error, Outcome found) {
            thrown = std::move(error);
            outcome = found;
        });
        loop.restart();
        while (!outcome) {
            if (meanwhile) meanwhile();
            loop.run_one_for(milliseconds{20});
        }
        if (thrown) std::rethrow_exception(thrown);
        return *outcome;
    }

    boost::asio::io_context loop{1};
    UniqueFd client;
    std::optional<AsyncConnection> server;
    std::optional<AsyncHeadReader> reader;
    std::function<void()> meanwhile;
};

}  // namespace

TEST_SUITE("asynchronous head reader") {
    const std::string first = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n";
    const std::string second = "GET /2 HTTP/1.1\r\n\r\n";

    TEST_CASE("requests that come together are told apart, and then the end") {
        Visitor visitor;
        visitor.send(first + second + second.substr(0, 7));
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == first);
        CHECK(visitor.reader->has_more());
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == second);
        visitor.send(second.substr(7));
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == second);
        CHECK_FALSE(visitor.reader->has_more());
        visitor.client.reset();
        CHECK(visitor.next() == Outcome::end);
    }

    TEST_CASE("a head may come byte by byte, one that ends in the middle is malformed") {
        Visitor visitor;
        std::string rest = first;
        visitor.meanwhile = [&] {
            if (rest.empty()) return;
            visitor.send(rest.substr(0, 1));
            rest.erase(0, 1);
        };
        CHECK(visitor.next() == Outcome::head);
        CHECK(visitor.reader->head() == first);
        rest = second.substr(0, 10);
        visitor.meanwhile = [&] {
            if (rest.empty()) return visitor.client.reset();
            visitor.send(std::exchange(rest, ""));
        };
        CHECK(visitor.next() == Outcome::malformed);
    }

    TEST_CASE("a body that nobody wants is thrown away, wherever it is cut") {
        const std::string body(30'000, 'b');
        for (const std::size_t with_the_head :
             {std::size_t{0}, std::size_t{1}, std::size_t{9'999}, body.size()}) {
            Visitor visitor;
            visitor.send(first + body.substr(0, with_the_head));
            CHECK(visitor.next() == Outcome::head);
            visitor.reader->skip_body(body.size());
            CHECK_FALSE(visitor.reader->has_more());
            visitor.send(body.substr(with_the_head) + second);
            CHECK(visitor.next() == Outcome::head);
            CHECK(visitor.reader->head() == second);
            CHECK_FALSE(visitor.reader->has_more());
        }
    }

    TEST_CASE("a client that ends within a body has no other request, one that withholds it is cut off") {
        Visitor visitor{{.body = milliseconds{100}}};
        visitor.send(first + "half");
        CHECK(visitor.next() == Outcome::head);
        visitor.reader->skip_body(100);
        CHECK_THROWS_AS(static_cast<void>(visitor.next()), TimedOut);
        CHECK(visitor.server->exceeded() == Limit::body);
        Visitor leaving;
        leaving.send(first + "half");
        CHECK(leaving.next() == Outcome::head);
        leaving.reader->skip_body(100);
        leaving.client.reset();
        CHECK(leaving.next() == Outcome::end);
    }

    TEST_CASE("a client that drips is cut off when the whole head is due") {
        Visitor visitor{{.header = milliseconds{300}}};
        visitor.meanwhile = [&] {
            visitor.send("a");
            std::this_thread::sleep_for(milliseconds{10});
        };
        CHECK_THROWS_AS(static_cast<void>(visitor.next()), TimedOut);
        CHECK(visitor.server->exceeded() == Limit::header);
    }

    TEST_CASE("a client that is idle between two requests is timed out") {
        Visitor visitor{{.idle = milliseconds{100}}};
        visitor.send(first);
        CHECK(visitor.next() == Outcome::head);
        CHECK_THROWS_AS(static_cast<void>(visitor.next()), TimedOut);
        CHECK(visitor.server->exceeded() == Limit::idle);
    }
}
