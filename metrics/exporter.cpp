#include "metrics/exporter.hpp"

#include <fcntl.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/intrusive/list.hpp>
#include <cerrno>
#include <exception>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <bullpen/async_connection.hpp>
#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "core/http/async_conversation.hpp"
#include "core/http/read_only_responder.hpp"
#include "metrics/health.hpp"
#include "metrics/pool_metrics.hpp"

namespace bullpen {
namespace {

namespace net = boost::asio;
namespace intrusive = boost::intrusive;
using http::Status;

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

/// What the exporter shows: the numbers and the health of these pools.
class Pages {
public:
    explicit Pages(const ExporterOptions& options)
        : heartbeat_age_max_{options.heartbeat_age_max},
          pools_{options.pools.begin(), options.pools.end()},
          metrics_{pools_, options.version} {}

    struct Page {
        Status status = Status::ok;
        std::string_view type = plain_text;
        std::string text;
    };

    [[nodiscard]] std::optional<Page> find(std::string_view path) {
        if (path.empty()) return Page{.type = "text/html; charset=utf-8", .text = front_page};
        if (path == "metrics")
            return Page{.type = "text/plain; version=0.0.4; charset=utf-8",
                        .text = prometheus::TextSerializer{}.Serialize(metrics_.Collect())};
        if (path == "healthz")
            return answer_to_check(why_unhealthy(pools_, monotonic_ns(), heartbeat_age_max_));
        if (path == "readyz") return answer_to_check(why_unready(pools_));
        return std::nullopt;
    }

private:
    static Page answer_to_check(const std::optional<std::string>& trouble) {
        if (trouble) return {.status = Status::unavailable, .text = *trouble + "\n"};
        return {.text = "ok\n"};
    }

    std::chrono::seconds heartbeat_age_max_;
    std::vector<PoolView> pools_;
    PoolMetrics metrics_;
};

/// A connection and what answers it; in the list of all, those that asked last at the end, until it is
/// closed.
class Client final : public http::ReadOnlyResponder,
                     public intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>> {
public:
    using List = intrusive::list<Client, intrusive::constant_time_size<false>>;

    Client(net::io_context& loop, UniqueFd socket, const ExporterOptions& options, Pages& pages, List& all)
        : connection_{loop.get_executor(), std::move(socket), {.tells_drain = true}},
          options_{options},
          pages_{pages},
          all_{all} {
        connection_.limits() = {.idle = options.request_timeout,  // The first request is awaited no longer.
                                .header = options.request_timeout,
                                .body = options.request_timeout,
                                .write = options.response_timeout};
        all_.push_back(*this);
    }

    [[nodiscard]] AsyncConnection& connection() noexcept { return connection_; }

private:
    http::Answer respond(const http::Request&, const http::RequestTarget& target) override {
        connection_.limits().idle = options_.idle_timeout;
        unlink();
        all_.push_back(*this);
        std::optional<Pages::Page> found = pages_.find(target.path);
        if (!found) return status_page(Status::not_found);
        text_ = std::move(found->text);
        return page(found->status, found->type, text_);
    }

    AsyncConnection connection_;
    const ExporterOptions& options_;
    Pages& pages_;
    List& all_;
    std::string text_;  ///< The last answer borrows it.
};

class Exporter {
public:
    Exporter(const std::vector<int>& listeners, int lifeline, const ExporterOptions& options)
        : options_{options}, pages_{options}, lifeline_{io_, duplicate(lifeline).release()} {
        for (const int listener : listeners) {
            // A client that leaves between the wake-up and the accept must not block the exporter. The master
            // shares this flag, but never accepts on these listeners.
            ::fcntl(listener, F_SETFL, ::fcntl(listener, F_GETFL) | O_NONBLOCK);
            listeners_.emplace_back(io_, duplicate(listener).release());
        }
    }

    int run() {
        lifeline_.async_wait(net::posix::stream_descriptor::wait_read,
                             [this](const boost::system::error_code&) { io_.stop(); });
        for (net::posix::stream_descriptor& listener : listeners_)
            net::co_spawn(io_, accept_clients(listener), [](const std::exception_ptr& failure) {
                if (failure) std::rethrow_exception(failure);
            });
        io_.run();
        return 0;
    }

private:
    net::awaitable<void> accept_clients(net::posix::stream_descriptor& listener) {
        for (;;) {
            co_await listener.async_wait(net::posix::stream_descriptor::wait_read, outcome);
            UniqueFd socket{
                ::accept4(listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
            if (socket) {
                if (clients_.size() >= options_.connections_max) close_oldest();
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
        Client client{io_, std::move(socket), options_, pages_, clients_};
        co_await http::converse(client.connection(), client);
    }

    /// Closes the oldest connection that isn't taking an answer, else the oldest of all: silent clients can't
    /// keep a scraper out.
    bool close_oldest() {
        if (clients_.empty()) return false;
        const auto silent = std::find_if(clients_.begin(), clients_.end(),
                                         [](Client& client) { return !client.connection().is_sending(); });
        Client& oldest = silent == clients_.end() ? clients_.front() : *silent;
        oldest.unlink();
        oldest.connection().close();  // Its coroutine sees an error and ends.
        return true;
    }

    const ExporterOptions& options_;
    Pages pages_;
    Client::List clients_;
    net::io_context io_{
        1};  // Destroyed before the list, because it destroys the coroutines and the clients in it.
    std::vector<net::posix::stream_descriptor> listeners_;
    net::posix::stream_descriptor lifeline_;
};

}  // namespace

int run_exporter(const std::vector<int>& listeners, int lifeline, const ExporterOptions& options) {
    return Exporter{listeners, lifeline, options}.run();
}

}  // namespace bullpen
