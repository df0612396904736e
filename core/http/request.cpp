#include "core/http/request.hpp"

#include <strings.h>

#include <boost/beast/http/basic_parser.hpp>

namespace bullpen::http {
namespace {

namespace beast = boost::beast;
using beast::http::field;
using beast::http::verb;
using BeastView = beast::string_view;

std::string_view to_std(BeastView text) noexcept {
    return {text.data(), text.size()};
}

Method to_method(verb method) noexcept {
    switch (method) {
        case verb::get: return Method::get;
        case verb::head: return Method::head;
        case verb::unknown: return Method::unknown;
        default: return Method::other;
    }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// Whether the Host header is HOST, HOST:PORT or empty (RFC 9110 7.2). The service has no virtual hosts, so
/// only the form matters.
bool may_be_host(std::string_view host) noexcept {
    constexpr std::string_view forbidden = " \t\"#/<>?@\\^`{|}";
    return host.find_first_of(forbidden) == std::string_view::npos;
}

/// Beast's parser without Beast's containers: it calls a member for each field and allocates nothing.
class RequestParser final : public beast::http::basic_parser<true> {
public:
    explicit RequestParser(std::string_view head) : head_{head} {
        header_limit(static_cast<std::uint32_t>(head.size()));
        body_limit(boost::none);
        eager(false);
    }

    beast::error_code parse() {
        beast::error_code error;
        put({head_.data(), head_.size()}, error);
        return error;
    }

    /// The request, or the status to refuse it with; called after parse() has succeeded.
    [[nodiscard]] std::variant<Request, Status> judge() {
        if (!request_.is_http_1_0 && hosts_ != 1) return Status::bad_request;
        if (hosts_ > 1 || !host_is_valid_ || has_folded_value_) return Status::bad_request;
        if (!is_header_done() || codings_ > 1) return Status::bad_request;
        if (codings_ == 1) {
            // Requests are smuggled by lengths that a proxy and a server understand differently.
            if (has_content_length_ || request_.is_http_1_0) return Status::bad_request;
            if (!chunked()) return Status::bad_request;
            if (!equal_ignoring_case(coding_, "chunked")) return Status::not_implemented;
        }
        request_.keep_alive = keep_alive();
        request_.has_body = chunked() || content_length().value_or(0) > 0;
        return request_;
    }

private:
    void on_request_impl(verb method, BeastView, BeastView target, int version, beast::error_code&) override {
        request_.method = to_method(method);
        request_.target = to_std(target);
        request_.is_http_1_0 = version == 10;
    }

    void on_field_impl(field name, BeastView, BeastView beast_value, beast::error_code&) override {
        const std::string_view value = to_std(beast_value);
        // A folded value (RFC 9112 5.2) lies in a buffer that is valid only during this call.
        if (value.data() < head_.data() || value.data() > head_.data() + head_.size())
            has_folded_value_ = true;
        switch (name) {
            case field::host:
                ++hosts_;
                host_is_valid_ = host_is_valid_ && may_be_host(value);
                break;
            case field::transfer_encoding:
                ++codings_;
                coding_ = value;
                break;
            case field::content_length: has_content_length_ = true; break;
            case field::range:
                // Two Range headers are ignored, like one header with two ranges.
                request_.range = std::exchange(has_range_, true) ? std::string_view{} : value;
                break;
            case field::if_match: request_.conditions.if_match = value; break;
            case field::if_none_match: request_.conditions.if_none_match = value; break;
            case field::if_modified_since: request_.conditions.if_modified_since = value; break;
            case field::if_unmodified_since: request_.conditions.if_unmodified_since = value; break;
            case field::if_range: request_.conditions.if_range = value; break;
            default: break;
        }
    }

    void on_response_impl(int, BeastView, int, beast::error_code&) override {}
    void on_header_impl(beast::error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
    std::size_t on_body_impl(BeastView body, beast::error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, BeastView, beast::error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, beast::error_code&) override {
        return body.size();
    }
    void on_finish_impl(beast::error_code&) override {}

    std::string_view head_;
    Request request_;
    int hosts_ = 0;
    int codings_ = 0;
    std::string_view coding_;
    bool host_is_valid_ = true;
    bool has_content_length_ = false;
    bool has_range_ = false;
    bool has_folded_value_ = false;
};

/// Whether a request line that Beast rejected with bad_version names another HTTP version (answered with
/// 505), or is no HTTP at all (400).
bool names_other_version(std::string_view head) noexcept {
    const std::string_view line = head.substr(0, head.find('\r'));
    const std::string_view version = line.substr(line.rfind(' ') + 1);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
           is_digit(version[7]) && version != "HTTP/1.0" && version != "HTTP/1.1";
}

}  // namespace

std::variant<Request, Status> parse_request(std::string_view head) {
    RequestParser parser{head};
    const beast::error_code error = parser.parse();
    if (!error) return parser.judge();
    if (error == beast::http::error::bad_version && names_other_version(head))
        return Status::version_not_supported;
    return Status::bad_request;
}

}  // namespace bullpen::http
