#include "core/http/request.hpp"

#include <strings.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "core/http/authority.hpp"

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
        case verb::options: return Method::options;
        case verb::connect: return Method::connect;
        case verb::unknown: return Method::unknown;
        default: return Method::other;
    }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// Beast's parser without Beast's containers: it calls a member for each field and allocates nothing.
class RequestParser final : public beast::http::basic_parser<true> {
public:
    explicit RequestParser(std::string_view head) : head_{head} {
        header_limit(static_cast<std::uint32_t>(head.size()));
        body_limit(boost::none);
        eager(false);
    }

    beast::error_code parse() { return parse_from(head_, {}); }

    /// Parses the head with another first line, which has as many bytes.
    beast::error_code parse_with(std::string_view line) {
        return parse_from(line, head_.substr(line.size()));
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
        request_.keep_alive = !asks_to_close_ && (!request_.is_http_1_0 || asks_to_keep_);
        request_.content_length = content_length().value_or(0);
        request_.has_body = chunked() || request_.content_length > 0;
        return std::move(request_);
    }

private:
    beast::error_code parse_from(std::string_view first, std::string_view rest) {
        first_ = first;
        beast::error_code error;
        put({first.data(), first.size()}, error);
        if (error == beast::http::error::need_more && !rest.empty()) put({rest.data(), rest.size()}, error);
        return error;
    }

    void on_request_impl(verb method, BeastView, BeastView target, int version, beast::error_code&) override {
        request_.method = to_method(method);
        request_.target =
            head_.substr(static_cast<std::size_t>(target.data() - first_.data()), target.size());
        request_.is_http_1_0 = version == 10;
    }

    void on_field_impl(field name, BeastView text, BeastView beast_value, beast::error_code&) override {
        const std::string_view value = to_std(beast_value);
        has_folded_value_ = has_folded_value_ || is_folded(to_std(text), value);
        switch (name) {
            case field::host:
                ++hosts_;
                host_is_valid_ = host_is_valid_ && (value.empty() || is_authority(value));
                break;
            case field::connection:
                for (const BeastView option : beast::http::opt_token_list{beast_value}) {
                    asks_to_close_ = asks_to_close_ || beast::iequals(option, "close");
                    asks_to_keep_ = asks_to_keep_ || beast::iequals(option, "keep-alive");
                }
                break;
            case field::expect:
                request_.expects_continue =
                    request_.expects_continue || beast::iequals(beast_value, "100-continue");
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
            case field::accept_encoding: request_.accept_encoding.add(value); break;
            case field::if_match: request_.conditions.if_match.add(value); break;
            case field::if_none_match: request_.conditions.if_none_match.add(value); break;
            case field::if_modified_since: request_.conditions.if_modified_since.add(value); break;
            case field::if_unmodified_since: request_.conditions.if_unmodified_since.add(value); break;
            case field::if_range: request_.conditions.if_range.add(value); break;
            default: break;
        }
    }

    /// Whether the value goes on in another line (RFC 9112 5.2). Of one whose first line is empty Beast shows
    /// the part in the second; any other lies in a buffer that is valid only during the call.
    [[nodiscard]] bool is_folded(std::string_view name, std::string_view value) const noexcept {
        const char* const begin = name.data() + name.size();
        const char* const end = head_.data() + head_.size();
        if (std::less{}(value.data(), begin) || std::less{}(end, value.data())) return true;
        return std::find(begin, value.data(), '\r') != value.data();
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
    std::string_view first_;  ///< What Beast is given first: the head, or another first line.
    Request request_;
    int hosts_ = 0;
    int codings_ = 0;
    std::string_view coding_;
    bool host_is_valid_ = true;
    bool asks_to_close_ = false;
    bool asks_to_keep_ = false;
    bool has_content_length_ = false;
    bool has_range_ = false;
    bool has_folded_value_ = false;
};

/// "1.2" of a request line that Beast has refused for its version, if it names one at all.
std::string_view version_in(std::string_view line) noexcept {
    constexpr std::string_view protocol = "HTTP/";
    const std::size_t second_blank = line.find(' ', line.find(' ') + 1);
    if (second_blank == std::string_view::npos || !line.substr(second_blank + 1).starts_with(protocol))
        return {};
    const std::string_view version = line.substr(second_blank + 1 + protocol.size());
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const bool is_one =
        version.size() == 3 && is_digit(version[0]) && version[1] == '.' && is_digit(version[2]);
    return is_one ? version : std::string_view{};
}

/// Reads a minor version that Beast doesn't know as the highest that it knows.
std::variant<Request, Status> parse_other_version(std::string_view head) {
    constexpr std::string_view line_end = "\r\n";
    const std::size_t line_size = std::min(head.find(line_end), head.size());
    const std::string_view version = version_in(head.substr(0, line_size));
    if (version.empty()) return Status::bad_request;
    if (version.front() != '1') return Status::version_not_supported;
    std::string line{head.substr(0, line_size + line_end.size())};
    line[line_size - 1] = '1';
    RequestParser parser{head};
    if (parser.parse_with(line)) return Status::bad_request;
    return parser.judge();
}

}  // namespace

std::variant<Request, Status> parse_request(std::string_view head) {
    RequestParser parser{head};
    const beast::error_code error = parser.parse();
    if (!error) return parser.judge();
    if (error == beast::http::error::bad_version) return parse_other_version(head);
    return Status::bad_request;
}

}  // namespace bullpen::http
