#include "metrics/exporter.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/listener.hpp"
#include "core/process.hpp"
#include "core/resolve.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

namespace {

/// A client that never waits longer than the test's patience.
class Client {
public:
    explicit Client(const Address& server)
        : socket_{::socket(server.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        const timeval patience{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (::connect(socket_.get(), server.data(), server.size()) != 0)
            throw std::runtime_error{"no connection"};
    }

    void send(const std::string& text) const {
        [[maybe_unused]] const auto sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }
    void end_of_requests() const { ::shutdown(socket_.get(), SHUT_WR); }

    /// All until the server closes; nothing if it doesn't, or resets the connection.
    [[nodiscard]] std::optional<std::string> read_to_end() const {
        std::string all;
        std::array<char, 65536> part{};
        for (;;) {
            const ssize_t size = ::recv(socket_.get(), part.data(), part.size(), 0);
            if (size == 0) return all;
            if (size < 0) return std::nullopt;
            all.append(part.data(), static_cast<std::size_t>(size));
        }
    }

    /// One response with its Content-Length.
    [[nodiscard]] std::string read_response() const {
        std::string all;
        std::array<char, 65536> part{};
        for (;;) {
            const std::size_t head = all.find("\r\n\r\n");
            if (head != std::string::npos) {
                const std::size_t length = all.find("Content-Length: ");
                if (length < head && all.size() >= head + 4 + std::stoul(all.substr(length + 16))) return all;
            }
            const ssize_t size = ::recv(socket_.get(), part.data(), part.size(), 0);
            if (size <= 0) return all;
            all.append(part.data(), static_cast<std::size_t>(size));
        }
    }

    [[nodiscard]] bool still_connected() const {
        char byte = 0;
        return ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    }

private:
    UniqueFd socket_;
};

/// An exporter in its own process, over one pool of two slots.
class RunningExporter {
public:
    explicit RunningExporter(ExporterOptions options = {}, const std::string& listen = "127.0.0.1:0")
        : listener_{Listener::open(resolve(listen).at(0), {})} {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) throw std::runtime_error{"no pipe"};
        UniqueFd lifeline{ends[0]};
        master_.reset(ends[1]);
        board.header().heartbeat_ns = monotonic_ns();
        board.header().spare_max = 6;
        options.version = "1.2.3";
        options.pools = {{.name = "web",
                          .listeners = {"127.0.0.1:1"},
                          .scoreboard_fd = board.fd(),
                          .slots = board.slots()}};
        pid = spawn_child([&] {
                  const std::array<int, 3> kept{listener_.fd(), lifeline.get(), board.fd()};
                  close_all_except(kept);
                  unblock_signals();
                  return run_exporter({listener_.fd()}, lifeline.get(), options);
              }).value();
    }
    ~RunningExporter() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    RunningExporter(const RunningExporter&) = delete;
    RunningExporter& operator=(const RunningExporter&) = delete;

    [[nodiscard]] const Address& address() const { return listener_.address(); }

    [[nodiscard]] std::string exchange(const std::string& request) const {
        const Client client{address()};
        client.send(request);
        return client.read_to_end().value_or("(no end)");
    }
    [[nodiscard]] std::string get(const std::string& path) const {
        return exchange("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }

    [[nodiscard]] std::size_t open_descriptors() const {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry :
             std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd"})
            ++count;
        return count;
    }

    /// Ends the lifeline, as the master's death does, and returns the exporter's wait status.
    int end() {
        master_.reset();
        int status = -1;
        ::waitpid(std::exchange(pid, -1), &status, 0);
        return status;
    }

    Scoreboard board{2};
    pid_t pid = -1;

private:
    Listener listener_;
    UniqueFd master_;
};

bool is(const std::string& response, const std::string& status) {
    return response.rfind("HTTP/1.1 " + status + " ", 0) == 0;
}

std::string body_of(const std::string& response) {
    const std::size_t end = response.find("\r\n\r\n");
    return end == std::string::npos ? "(no head)" : response.substr(end + 4);
}

constexpr const char* scrape_request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::chrono::seconds never{3600};

}  // namespace

TEST_SUITE("the exporter") {
    TEST_CASE("a scrape has the text format's content type and the numbers of now") {
        RunningExporter exporter;
        const Client prometheus{exporter.address()};
        for (std::uint64_t accepted = 0; accepted < 3; ++accepted) {
            exporter.board.header().accepted = accepted;
            prometheus.send(scrape_request);
            const std::string response = prometheus.read_response();
            CHECK(is(response, "200"));
            CHECK(contains(response, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
            CHECK(contains(response, "\nbullpen_connections_accepted_total{pool=\"web\"} " +
                                         std::to_string(accepted) + "\n"));
            CHECK(contains(response, "\nbullpen_build_info{version=\"1.2.3\"} 1\n"));
        }
        CHECK(prometheus.still_connected());
    }

    TEST_CASE("HEAD has the head of GET and no body") {
        const RunningExporter exporter;
        const std::string get = exporter.get("/healthz");
        const std::string head =
            exporter.exchange("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        CHECK(body_of(get) == "ok\n");
        CHECK(head == get.substr(0, get.find("\r\n\r\n") + 4));
        CHECK(contains(head, "Content-Length: 3\r\n"));
    }

    TEST_CASE("the front page links to the other three, and a query is not part of the path") {
        const RunningExporter exporter;
        const std::string page = exporter.get("/?x=/metrics");
        CHECK(is(page, "200"));
        CHECK(contains(page, "Content-Type: text/html"));
        for (const char* path : {"/metrics", "/healthz", "/readyz"}) {
            CHECK(contains(page, "href=\"" + std::string{path} + "\""));
            CHECK(!is(exporter.get(path), "404"));
        }
    }

    TEST_CASE("what is not there is 404, and a method that asks for no page is 405 with Allow") {
        const RunningExporter exporter;
        CHECK(is(exporter.get("/metricsx"), "404"));
        CHECK(is(exporter.get("/metrics/"), "404"));
        const std::string with_body = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" +
                                      std::string(100'000, 'x');
        for (const std::string& request :
             {std::string{"DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}, with_body}) {
            const std::string response = exporter.exchange(request);
            CHECK(is(response, "405"));
            CHECK(contains(response, "Allow: GET, HEAD, OPTIONS\r\n"));
        }
        CHECK(contains(exporter.exchange("OPTIONS * HTTP/1.0\r\n\r\n"), "Allow: GET, HEAD, OPTIONS\r\n"));
    }

    TEST_CASE("what is no request is 400, and a head of more than 16 KiB is 431") {
        const RunningExporter exporter;
        CHECK(is(exporter.exchange("\x16\x03\x01 hello\r\n\r\n"), "400"));
        CHECK(is(exporter.exchange("GET /metrics HTTP/1.1\r\n\r\n"), "400"));  // No Host.
        const std::string long_head =
            "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n";
        CHECK(is(exporter.exchange(long_head), "431"));
        CHECK(is(exporter.exchange("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(200'000, 'x')), "431"));
        const std::string fitting =
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + std::string(15'000, 'x');
        CHECK(is(exporter.exchange(fitting + "\r\n\r\n"), "200"));
    }

    TEST_CASE("an HTTP/1.0 client and two requests in one packet are answered") {
        const RunningExporter exporter;
        const std::string old = exporter.exchange("GET /healthz HTTP/1.0\r\n\r\n");
        CHECK(is(old, "200"));
        CHECK(contains(old, "\r\nConnection: close\r\n"));
        CHECK(body_of(old) == "ok\n");
        const Client pipelining{exporter.address()};
        pipelining.send(
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\nConnection: "
            "close\r\n\r\n");
        const std::string both = pipelining.read_to_end().value();
        CHECK(is(both, "200"));
        CHECK(contains(both, "ok\nHTTP/1.1 404 "));
    }

    TEST_CASE("a request is judged as the service http judges it") {
        const RunningExporter exporter;
        const std::string last = "Connection: close\r\n\r\n";
        const std::string host = "Host: x\r\n" + last;
        CHECK(contains(exporter.get("/healthz"), "\r\nDate: "));
        CHECK(is(exporter.exchange("GET http://x/healthz HTTP/1.1\r\n" + host), "200"));
        CHECK(is(exporter.exchange("GET /healthz HTTP/1.7\r\n" + host), "200"));
        CHECK(is(exporter.exchange("GET /%68ealthz HTTP/1.1\r\n" + host), "200"));
        CHECK(contains(exporter.exchange("GET /x/../healthz HTTP/1.1\r\n" + host), "Location: /healthz\r\n"));
        CHECK(is(exporter.exchange("GET /healthz HTTP/2.0\r\n" + host), "505"));
        CHECK(is(exporter.exchange("GET /healthz HTTP/1.1\r\nTransfer-Encoding: foo\r\n" + host), "400"));
        CHECK(is(exporter.exchange("GET /healthz HTTP/1.1\r\nA: b\r\n c\r\n" + host), "400"));
        CHECK(is(exporter.exchange("GET /healthz HTTP/1.1\r\nHost: a:b\r\n" + last), "400"));
        CHECK(is(exporter.exchange("BREW /healthz HTTP/1.1\r\n" + host), "501"));
        const Client client{exporter.address()};
        client.send(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /nothing HTTP/1.1\r\n" +
            host);
        CHECK(contains(client.read_to_end().value(), "ok\nHTTP/1.1 404 "));
    }

    TEST_CASE("health is 503 with a sentence when the master's heartbeat is old") {
        RunningExporter exporter;
        CHECK(body_of(exporter.get("/healthz")) == "ok\n");
        exporter.board.header().heartbeat_ns = monotonic_ns() - 11'000'000'000;
        const std::string response = exporter.get("/healthz");
        CHECK(is(response, "503"));
        CHECK(contains(body_of(response), "The master has not looked after pool web"));
    }

    TEST_CASE("readiness is 503 without a ready worker, 200 with one, and 503 when the pool drains") {
        RunningExporter exporter;
        const std::string none = exporter.get("/readyz");
        CHECK(is(none, "503"));
        CHECK(contains(body_of(none), "Pool web has no ready worker"));
        exporter.board.entry(1).stage = static_cast<std::uint32_t>(Stage::ready);
        CHECK(is(exporter.get("/readyz"), "200"));
        exporter.board.header().draining = 1;
        const std::string draining = exporter.get("/readyz");
        CHECK(is(draining, "503"));
        CHECK(contains(body_of(draining), "Pool web is draining."));
    }

    TEST_CASE("ten silent clients stay connected while a scrape is answered") {
        const RunningExporter exporter{{.request_timeout = never}};
        std::vector<Client> silent;
        for (int i = 0; i < 10; ++i)
            silent.emplace_back(exporter.address());
        CHECK(is(exporter.get("/metrics"), "200"));
        for (const Client& client : silent)
            CHECK(client.still_connected());
    }

    TEST_CASE("a hundred silent clients delay no scrape: beyond the limit the oldest of them have to go") {
        const RunningExporter exporter{{.request_timeout = never}};
        std::vector<Client> silent;
        for (int i = 0; i < 100; ++i)
            silent.emplace_back(exporter.address());
        for (int i = 0; i < 3; ++i)
            CHECK(is(exporter.get("/metrics"), "200"));
        for (std::size_t i = 0; i < 36; ++i)
            CHECK(silent[i].read_to_end().value() == "");
        for (std::size_t i = 40; i < silent.size(); ++i)
            CHECK(silent[i].still_connected());
    }

    TEST_CASE("clients that begin a request and never end it delay no scrape either") {
        const RunningExporter exporter{{.request_timeout = never}};
        std::vector<Client> slow;
        for (int i = 0; i < 100; ++i)
            slow.emplace_back(exporter.address()).send("GET /metrics HT");
        CHECK(is(exporter.get("/metrics"), "200"));
        CHECK(slow.front().read_to_end().value() == "");
    }

    TEST_CASE("a scraper that keeps its connection is idle too: a newcomer may take its place") {
        const RunningExporter exporter{{.connections_max = 1}};
        const Client first{exporter.address()};
        first.send(scrape_request);
        CHECK(is(first.read_response(), "200"));
        CHECK(is(exporter.get("/metrics"), "200"));
        CHECK(first.read_to_end().value() == "");
    }

    TEST_CASE("who sends no request in time, or none after the last one, is disconnected") {
        const RunningExporter exporter{{.request_timeout = std::chrono::seconds{1},
                                        .idle_timeout = std::chrono::seconds{1},
                                        .response_timeout = never}};
        const Client silent{exporter.address()};
        const Client slow{exporter.address()};
        slow.send("GET /metr");
        const Client idle{exporter.address()};
        idle.send(scrape_request);
        CHECK(is(idle.read_response(), "200"));
        CHECK(silent.read_to_end().value() == "");
        CHECK(slow.read_to_end().value() == "");
        CHECK(idle.read_to_end().value() == "");
    }

    TEST_CASE("two hundred scrapes and a few rude clients leave no descriptor behind") {
        const RunningExporter exporter;
        REQUIRE(is(exporter.get("/metrics"), "200"));
        const auto settled = [&exporter](std::size_t expected) {
            // Several looks in a row: rude clients still in the backlog come and go.
            int agreeing = 0;
            for (int i = 0; i < 3000 && agreeing < 20; ++i) {
                agreeing = exporter.open_descriptors() == expected ? agreeing + 1 : 0;
                ::poll(nullptr, 0, 10);
            }
            return exporter.open_descriptors();
        };
        constexpr std::size_t standard = 3;
        constexpr std::size_t given = 3;   // Listener, lifeline, scoreboard.
        constexpr std::size_t copies = 2;  // Of the first two.
        constexpr std::size_t asio = 3;    // epoll, its interrupter, its timer.
        CHECK(settled(standard + given + copies + asio) == standard + given + copies + asio);
        const std::size_t before = exporter.open_descriptors();
        for (int i = 0; i < 200; ++i) {
            CHECK(is(exporter.get("/metrics"), "200"));
            Client{exporter.address()}.send("GET /metrics HTTP/1.1\r\nHo");
            Client{exporter.address()}.send(scrape_request);
        }
        CHECK(settled(before) == before);
    }

    TEST_CASE("it serves a UNIX socket as well") {
        const std::string path = "/tmp/bullpen-exporter-test-" + std::to_string(::getpid()) + ".sock";
        const RunningExporter exporter{{}, "unix:" + path};
        CHECK(is(exporter.get("/metrics"), "200"));
    }

    TEST_CASE("it ends with 0 when the master is gone, whoever is connected") {
        RunningExporter exporter;
        const Client silent{exporter.address()};
        const Client idle{exporter.address()};
        idle.send(scrape_request);
        CHECK(is(idle.read_response(), "200"));
        const int status = exporter.end();
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
        CHECK(silent.read_to_end().value() == "");
    }

    TEST_CASE("it does not end before the master does") {
        RunningExporter exporter;
        CHECK(is(exporter.get("/healthz"), "200"));
        CHECK(::waitpid(exporter.pid, nullptr, WNOHANG) == 0);
    }
}
