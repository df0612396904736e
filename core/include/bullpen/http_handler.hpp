/// A handler that answers HTTP requests with what a function says. Include bullpen/http.hpp.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bullpen/address.hpp>
#include <bullpen/connection.hpp>
#include <bullpen/detail/empty_function.hpp>
#include <bullpen/export.hpp>
#include <bullpen/handler.hpp>

namespace bullpen {

/// The fields (headers) of a request, in their order. Names are compared without regard to case.
class BULLPEN_API HttpFields {
public:
    HttpFields() noexcept = default;

    /// Views lines "Name: value", each with its CR LF; a line without a colon is no field.
    explicit HttpFields(std::string_view lines) noexcept : lines_{lines} {}

    /// The first field of this name, without the blanks around its value; nothing if there is none. An empty
    /// value is one.
    [[nodiscard]] std::optional<std::string_view> first(std::string_view name) const noexcept;

    /// The values of all fields of this name.
    [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;

    /// All fields: name, value.
    [[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> all() const;

private:
    std::string_view lines_;
};

/// A request. All views are valid until the function returns.
struct HttpRequest {
    std::string_view method = {};  ///< As it came: "GET". Any word but CONNECT, which is answered with 501.
    std::string_view target = {};  ///< As it came: "/a%20b?c=d".
    /// Decoded, with one slash in front: "/a b". Without "." and ".." segments: such a request is answered
    /// with 400, as is one with a NUL. "%2F" has become a slash. "*" of "OPTIONS *".
    std::string_view path = {};
    std::string_view query = {};  ///< Undecoded, without its "?": "c=d".
    HttpFields fields = {};
    std::string_view body = {};  ///< Whole, without the chunked coding. Trailers are dropped.
    Address peer = {};           ///< The other end of the connection: a client, or a proxy in front.
};

/// An answer. One that can't be sent as it is, because of its status or a name or value that isn't allowed
/// in HTTP, is logged and answered with 500.
struct HttpAnswer {
    int status = 200;  ///< 200 to 599. A body with 204, 205 or 304 is dropped.
    std::string content_type = "text/plain; charset=utf-8";  ///< Empty: none is said.
    std::string body = {};                                   ///< Dropped if the request was HEAD.
    /// More fields, up to 32 KiB together. Not those that the library writes: Connection, Content-Length,
    /// Content-Type, Date, Keep-Alive, Server, Trailer, Transfer-Encoding, Upgrade and
    /// X-Content-Type-Options.
    std::vector<std::pair<std::string, std::string>> fields = {};
};

struct HttpOptions {
    /// Bytes of a request's body, without the chunked coding. A longer one is answered with 413 as soon as
    /// its length, or its next chunk's, says so. Each worker may hold one.
    std::size_t body_max = 1024 * 1024;
};

/// A handler that calls a function for each request: see http_handler(). Copies share the function.
class BULLPEN_API HttpHandler {
public:
    template <typename Function>
    requires(std::is_invocable_r_v<HttpAnswer, Function&, const HttpRequest&>)
        HttpHandler(Function function, HttpOptions options)
        : HttpHandler{detail::is_empty_function(function), std::make_shared<Function>(std::move(function)),
                      [](void* of, const HttpRequest& request) -> HttpAnswer {
                          return (*static_cast<Function*>(of))(request);
                      },
                      options} {}

    /// Whether its function is an empty one: see Handler.
    friend bool operator==(const HttpHandler& handler, std::nullptr_t) noexcept { return handler.is_empty_; }

    Next operator()(Connection& client) const;

    /// What the function answers, without a server: for tests. Passes on what the function throws.
    [[nodiscard]] HttpAnswer answer(const HttpRequest& request) const {
        return call_(function_.get(), request);
    }

    [[nodiscard]] const HttpOptions& options() const noexcept { return options_; }

private:
    using Call = HttpAnswer (*)(void* function, const HttpRequest& request);
    HttpHandler(bool is_empty, std::shared_ptr<void> function, Call call, HttpOptions options);

    bool is_empty_;
    std::shared_ptr<void> function_;
    Call call_;
    HttpOptions options_;
};

/// A handler that calls `function`, a callable that takes a const HttpRequest& and returns an HttpAnswer, for
/// each request that is whole. What it throws is logged and answered with 500, and the connection goes on.
/// It needn't be copyable. Where each worker is to have its own, with a database connection as a member, make
/// it in the worker (bullpen/per_worker.hpp):
///
///     bullpen::serve(bullpen::http_options({}), [](bullpen::WorkerContext&) {
///         return bullpen::http_handler(Shop{"/var/lib/shop.db"});
///     });
///
/// A GET, HEAD, OPTIONS or TRACE without a body is taken from the kernel only when its answer begins to
/// leave, so that Options::retry_crashed holds for it: the function may be called again for it, in another
/// worker. Any other request is taken before the call, which is therefore the only one.
///
/// Throws std::bad_alloc, and std::invalid_argument if the process has too many metrics already: those of
/// HTTP (bullpen_http_…) are counted.
template <typename Function>
[[nodiscard]] HttpHandler http_handler(Function function, HttpOptions options = {}) {
    constexpr bool takes = std::is_invocable_v<Function&, const HttpRequest&>;
    constexpr bool answers = std::is_invocable_r_v<HttpAnswer, Function&, const HttpRequest&>;
    static_assert(takes, "http_handler() takes a function of (const bullpen::HttpRequest& request)");
    static_assert(!takes || answers, "the function that http_handler() takes returns a bullpen::HttpAnswer");
    if constexpr (answers) return HttpHandler{std::move(function), options};
}

}  // namespace bullpen
