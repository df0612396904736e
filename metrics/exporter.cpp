#include "metrics/exporter.hpp"

#include <fcntl.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/intrusive/list.hpp>
#include <cerrno>
#include <exception>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "core/clock.hpp"
#include "core/unique_fd.hpp"
#include "metrics/health.hpp"
#include "metrics/pool_metrics.hpp"

namespace bullpen {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace intrusive = boost::intrusive;

using Stream = beast::basic_stream<net::generic::stream_protocol>;
using Request = http::request_parser<http::empty_body>;
using Response = http::response<http::string_body>;

/// Network failures are returned as error codes, not thrown: they are expected.
constexpr auto outcome = net::as_tuple(net::use_awaitable);

constexpr const char* plain_text = "text/plain; charset=utf-8";

constexpr const char* front_page =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Bullpen</title></head><body>\n"
    "<h1>Bullpen</h1>\n<ul>\n"
    "<li><a href=\"/metrics\">/metrics</a>: the pools' numbers, for Prometheus</li>\n"
    "<li><a href=\"/healthz\">/healthz</a>: 200 while the master lives</li>\n"
    "<li><a href=\"/readyz\">/readyz</a>: 200 while every pool can take clients</li>\n"
    "</ul>\n</body></html>\n";

UniqueFd duplicate(int fd) {
    UniqueFd copy{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    if (!copy) throw std::system_error{errno, std::generic_category(), "cannot start the exporter"};
    return copy;
}

Response respond(http::status status, std::string_view type, std::string body) {
    Response response{status, 11, std::move(body)};
    response.set(http::field::server, "bullpen");
    response.set(http::field::content_type, beast::string_view{type.data(), type.size()});
    return response;
}

Response refuse(http::status status) {
    return respond(status, plain_text, std::string{http::obsolete_reason(status)} + "\n");
}

Response respond_to_check(const std::optional<std::string>& trouble) {
    return trouble ? respond(http::status::service_unavailable, plain_text, *trouble + "\n")
                   : respond(http::status::ok, plain_text, "ok\n");
}

/// The status to answer with after a failed read; nothing if the connection itself failed, so that no answer
/// can be sent.
std::optional<http::status> status_of(const beast::error_code& read_error) {
    if (read_error == http::error::end_of_stream) return std::nullopt;
    if (read_error == http::error::header_limit) return http::status::request_header_fields_too_large;
    if (read_error.category() == make_error_code(http::error::bad_method).category())
        return http::status::bad_request;
    return std::nullopt;
}

class Exporter {
public:
    Exporter(int listener, int lifeline, const ExporterOptions& options)
        : options_{options},
          pools_{options.pools.begin(), options.pools.end()},
          metrics_{pools_, options.version},
          listener_{io_, duplicate(listener).release()},
          lifeline_{io_, duplicate(lifeline).release()} {
        // A client that leaves between the wake-up and the accept must not block the exporter. The master
        // shares this flag, but never accepts on this listener.
        ::fcntl(listener, F_SETFL, ::fcntl(listener, F_GETFL) | O_NONBLOCK);
    }

    int run() {
        lifeline_.async_wait(net::posix::stream_descriptor::wait_read,
                             [this](const beast::error_code&) { io_.stop(); });
        net::co_spawn(io_, accept_clients(), [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        });
        io_.run();
        return 0;
    }

private:
    /// A connection, which is in silent_ or served_ (both oldest first) from its accept until it is closed.
    struct Client : intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>> {
        explicit Client(net::io_context& io) : stream{io} {}
        Stream stream;
        beast::flat_buffer input;
    };
    using Clients = intrusive::list<Client, intrusive::constant_time_size<false>>;

    net::awaitable<void> accept_clients() {
        for (;;) {
            co_await listener_.async_wait(net::posix::stream_descriptor::wait_read, outcome);
            UniqueFd socket{
                ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
            if (socket) {
                if (silent_.size() + served_.size() >= options_.connections_max) close_oldest();
                net::co_spawn(io_, serve(std::move(socket)), net::detached);  // An exception ends only it.
                continue;
            }
            const int error = errno;  // A client's error is over; any other would repeat at once: pause.
            if (error == EAGAIN || error == EINTR || error == ECONNABORTED) continue;
            if (error == EMFILE && close_oldest()) continue;
            net::steady_timer pause{io_, options_.accept_pause};
            co_await pause.async_wait(outcome);
        }
    }

    net::awaitable<void> serve(UniqueFd socket) {
        Client client{io_};
        beast::error_code failed;
        client.stream.socket().assign({AF_UNSPEC, 0}, socket.get(), failed);
        if (failed) co_return;
        [[maybe_unused]] const int owned_by_stream = socket.release();

        for (bool first = true;; first = false) {
            Request request;
            const auto read_error = co_await read_request(client, request, first);
            const auto refused = read_error ? status_of(read_error) : std::nullopt;
            if (read_error && !refused) co_return;

            move_to(served_, client);
            Response response = refused ? refuse(*refused) : answer(request);
            const bool keep_alive =
                request.is_done() && request.keep_alive() && response.result() != http::status::bad_request;
            if (request.get().version() == 10) response.version(10);  // 1.0 has its own keep-alive header.
            response.keep_alive(keep_alive);
            response.content_length(response.body().size());
            if (request.get().method() == http::verb::head) response.body().clear();
            client.stream.expires_after(options_.response_timeout);
            const auto [write_error, written] = co_await http::async_write(client.stream, response, outcome);
            if (write_error) co_return;
            if (!keep_alive) break;
        }
        co_await linger(client);
    }

    net::awaitable<beast::error_code> read_request(Client& client, Request& request, bool first) {
        move_to(silent_, client);
        request.header_limit(static_cast<std::uint32_t>(options_.request_head_max));
        request.body_limit(boost::none);  // A body is never read; answer() refuses a request that has one.
        if (!first && client.input.size() == 0) {
            client.stream.expires_after(options_.idle_timeout);
            const auto [error, size] = co_await client.stream.async_read_some(
                client.input.prepare(options_.request_head_max), outcome);
            if (error) co_return error;
            client.input.commit(size);
        }
        client.stream.expires_after(options_.request_timeout);
        const auto [error, size] =
            co_await http::async_read_header(client.stream, client.input, request, outcome);
        co_return error;
    }

    /// Waits for the client to close first: a close with unread input would reset the connection, and the
    /// client might lose the response.
    net::awaitable<void> linger(Client& client) {
        move_to(silent_, client);
        beast::error_code error;
        client.stream.socket().shutdown(net::socket_base::shutdown_send, error);
        client.stream.expires_after(options_.linger_timeout);
        while (!error) {
            client.input.clear();
            std::tie(error, std::ignore) = co_await client.stream.async_read_some(
                client.input.prepare(options_.request_head_max), outcome);
        }
    }

    Response answer(const Request& parsed) {
        const auto& request = parsed.get();
        const std::string_view target{request.target().data(), request.target().size()};
        const std::string_view path = target.substr(0, target.find('?'));
        if (request.version() >= 11 && request.count(http::field::host) != 1)
            return refuse(http::status::bad_request);
        if (path != "/metrics" && path != "/healthz" && path != "/readyz" && path != "/")
            return refuse(http::status::not_found);
        if (request.method() != http::verb::get && request.method() != http::verb::head) {
            Response response = refuse(http::status::method_not_allowed);
            response.set(http::field::allow, "GET, HEAD");
            return response;
        }
        if (!parsed.is_done()) return refuse(http::status::payload_too_large);

        if (path == "/healthz")
            return respond_to_check(why_unhealthy(pools_, monotonic_ns(), options_.heartbeat_age_max));
        if (path == "/readyz") return respond_to_check(why_unready(pools_));
        if (path == "/") return respond(http::status::ok, "text/html; charset=utf-8", front_page);
        return respond(http::status::ok, "text/plain; version=0.0.4; charset=utf-8",
                       prometheus::TextSerializer{}.Serialize(metrics_.Collect()));
    }

    static void move_to(Clients& list, Client& client) {
        client.unlink();
        list.push_back(client);
    }

    /// Closes the oldest silent connection, else the oldest of all: silent clients can't keep a scraper out.
    bool close_oldest() {
        Clients& list = silent_.empty() ? served_ : silent_;
        if (list.empty()) return false;
        Client& client = list.front();
        client.unlink();
        client.stream.close();  // Its coroutine sees an error and ends.
        return true;
    }

    const ExporterOptions& options_;
    std::vector<PoolView> pools_;
    PoolMetrics metrics_;
    Clients silent_;  ///< The exporter waits for a request, or for the client to close.
    Clients served_;  ///< The exporter is answering them.
    net::io_context io_{
        1};  // Destroyed before the lists, because it destroys the coroutines and the clients in them.
    net::posix::stream_descriptor listener_;
    net::posix::stream_descriptor lifeline_;
};

}  // namespace

int run_exporter(int listener, int lifeline, const ExporterOptions& options) {
    return Exporter{listener, lifeline, options}.run();
}

}  // namespace bullpen
