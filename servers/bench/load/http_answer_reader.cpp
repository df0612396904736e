#include "servers/bench/load/http_answer_reader.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include "servers/bench/load/dialogue.hpp"

namespace bullpen {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

/// Keeps no field and no body: it counts.
class HttpAnswerReader::Parser final : public http::basic_parser<false> {
public:
    explicit Parser(bool head_only) {
        eager(true);
        skip(head_only);
        header_limit(head_max);
        body_limit(boost::none);
    }

    [[nodiscard]] int status() const { return is_header_done() ? status_ : 0; }
    [[nodiscard]] std::uint64_t body_size() const { return body_size_; }

private:
    void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
    void on_response_impl(int code, string_view, int version, error_code& error) override {
        if (code < 100) error = http::error::bad_status;
        status_ = code;
        is_http_1_0_ = version == 10;
    }
    /// Where a body ends (RFC 9112 6.3): with the last chunk, if chunked is the last coding, else with the
    /// connection. What two readers could understand differently is wrong: a length beside a coding, a coding
    /// after chunked or of HTTP/1.0, several lengths that differ. Of this Beast sees to what isn't said here.
    void on_field_impl(http::field name, string_view, string_view value, error_code& error) override {
        if (name == http::field::content_length && has_coding_) error = http::error::bad_content_length;
        if (name != http::field::transfer_encoding) return;
        has_coding_ = true;
        const http::opt_token_list codings{value};
        if (!http::validate_list(codings) || is_http_1_0_) error = http::error::bad_transfer_encoding;
        bool chunked = false;
        for (const string_view coding : codings) {
            if (chunked) error = http::error::bad_transfer_encoding;
            chunked = boost::beast::iequals(coding, "chunked");
        }
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override {
        body_size_ += body.size();
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
        body_size_ += body.size();
        return body.size();
    }
    void on_finish_impl(error_code&) override {}

    int status_ = 0;
    bool is_http_1_0_ = false;
    bool has_coding_ = false;
    std::uint64_t body_size_ = 0;
};

namespace {

/// Where a line of a head goes on in the next one (obs-fold, RFC 9112 5.2), from `at` on.
std::size_t find_fold(std::string_view head, std::size_t at = 0) noexcept {
    while ((at = head.find("\r\n", at)) != std::string_view::npos) {
        const bool blank = at + 2 < head.size() && (head[at + 2] == ' ' || head[at + 2] == '\t');
        const bool of_status_line = at == head.find("\r\n") && head.starts_with("HTTP/");
        if (blank && !of_status_line) return at;
        at += 2;
    }
    return at;
}

constexpr std::size_t minor_at = 7;  // "HTTP/1.2 200 OK"

/// Whether it is of HTTP/1.2 to 1.9, as far as can be seen; Beast refuses those, and they mean 1.1 (RFC 9110
/// 2.5).
bool has_later_minor(std::string_view head) noexcept {
    if (!head.starts_with("HTTP/1.") || head.size() <= minor_at) return false;
    const char behind = head.size() > minor_at + 1 ? head[minor_at + 1] : ' ';
    return head[minor_at] >= '2' && head[minor_at] <= '9' && behind == ' ';
}

/// Whether Beast would refuse a head that is one.
bool needs_rewriting(std::string_view head) noexcept {
    return has_later_minor(head) || find_fold(head) != std::string_view::npos;
}

}  // namespace

HttpAnswerReader::HttpAnswerReader(const HttpExpectation& expected) {
    expect(expected);
}

HttpAnswerReader::~HttpAnswerReader() = default;

void HttpAnswerReader::expect(const Dialogue& dialogue) {
    expect(dialogue.expected);
}

void HttpAnswerReader::expect(const HttpExpectation& expected) {
    expected_ = expected;
    pending_.clear();
    begun_ = false;
    start();
}

void HttpAnswerReader::start() {
    if (parser_)
        *parser_ = Parser{expected_.head_only};
    else
        parser_ = std::make_unique<Parser>(expected_.head_only);
}

AnswerState HttpAnswerReader::take(std::string_view bytes) {
    begun_ = begun_ || !bytes.empty();
    const bool whole = pending_.empty();
    if (!whole) pending_ += bytes;  // Rare: a head almost always comes in one piece.
    std::size_t taken = 0;
    const AnswerState state = parse(whole ? bytes : pending_, taken);
    if (state != AnswerState::incomplete) return state;
    if (whole)
        pending_ = bytes.substr(taken);
    else
        pending_.erase(0, taken);
    return pending_.size() > head_max ? AnswerState::wrong : state;
}

AnswerState HttpAnswerReader::parse(std::string_view bytes, std::size_t& taken) {
    while (taken < bytes.size()) {
        error_code error;
        const std::string_view rest = bytes.substr(taken);
        if (parser_->is_header_done() || !needs_rewriting(rest.substr(0, rest.find("\r\n\r\n"))))
            taken += parser_->put(boost::asio::const_buffer{rest.data(), rest.size()}, error);
        else
            taken += put_rewritten(rest, error);
        if (error == http::error::need_more) break;
        if (error) return AnswerState::wrong;
        if (!parser_->is_done()) continue;
        if (parser_->status() / 100 == 1) {  // Interim: the real answer follows (RFC 9110 15.2).
            start();
            continue;
        }
        return taken == bytes.size() ? judge() : AnswerState::wrong;
    }
    return AnswerState::incomplete;
}

/// Of Beast's parser a folded value has 4 KiB at most; unfolded it may be as long as a head. A fold that
/// has begun to arrive has been left to us as a whole.
std::size_t HttpAnswerReader::put_rewritten(std::string_view bytes, error_code& error) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == bytes.npos) {
        error = http::error::need_more;
        return 0;
    }
    std::string head{bytes.substr(0, end + 4)};
    if (has_later_minor(head)) head[minor_at] = '1';
    for (std::size_t at = 0; (at = find_fold(head, at)) != head.npos;)
        head[at] = head[at + 1] = ' ';
    return parser_->put(boost::asio::buffer(head), error);
}

AnswerState HttpAnswerReader::end() const {
    const bool ends_with_connection = parser_->is_header_done() && parser_->need_eof();
    return ends_with_connection ? judge() : AnswerState::incomplete;
}

AnswerState HttpAnswerReader::judge() const {
    const bool right = (expected_.any_status || status() == 200) &&
                       (!expected_.body_size || body_size() == *expected_.body_size);
    return right ? AnswerState::complete : AnswerState::wrong;
}

bool HttpAnswerReader::is_last() const {
    return parser_->is_header_done() && !parser_->keep_alive();
}

int HttpAnswerReader::status() const {
    return parser_->status();
}

std::uint64_t HttpAnswerReader::body_size() const {
    return parser_->body_size();
}

}  // namespace bullpen
