/// Heads in pieces of any size, the requests in them, and the answers.
#include "core/http/request.hpp"

#include <strings.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/http/head_buffer.hpp"
#include "core/http/read_only_responder.hpp"
#include "tests/fuzz/property.hpp"

using namespace bullpen::http;

namespace {

using Outcome = HeadBuffer::Outcome;
constexpr std::size_t request_line_max = 8 * 1024;

std::vector<std::string_view> lines_of(std::string_view head) {
    std::vector<std::string_view> lines;
    while (!head.empty()) {
        const std::size_t end = head.find("\r\n");
        must(end != std::string_view::npos, "a head ends with a line's end");
        lines.push_back(head.substr(0, end));
        head.remove_prefix(end + 2);
    }
    return lines;
}

bool is_field(std::string_view line, std::string_view name) {
    return line.size() > name.size() && line[name.size()] == ':' &&
           ::strncasecmp(line.data(), name.data(), name.size()) == 0;
}

void check_request(std::string_view head, const Request& request) {
    const auto lines = lines_of(head);
    const auto count = [&](std::string_view name) {
        return std::count_if(lines.begin(), lines.end(), [&](auto line) { return is_field(line, name); });
    };
    for (std::string_view line : lines) {
        must(line.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos,
             "no line hides another");
        must(!line.starts_with(' ') && !line.starts_with('\t'), "no line goes on in another");
    }
    const std::string_view target = request.target;
    must(target.data() >= head.data() && target.data() + target.size() <= head.data() + head.size(),
         "the target lies in the head");
    must(!target.empty() &&
             std::none_of(target.begin(), target.end(), [](char c) { return c >= 0 && c <= ' '; }),
         "the target has no blanks");
    must(count("host") <= 1 && (request.is_http_1_0 || count("host") == 1), "there is one Host");
    const bool announces_body = count("content-length") + count("transfer-encoding") > 0;
    must(announces_body || !request.has_body, "a body is announced");
    must(count("content-length") == 0 || count("transfer-encoding") == 0, "a body has one length");
    must(request.has_body || request.content_length == 0, "only a body has a length");
}

class Answering final : public ReadOnlyResponder {
    Answer respond(const Request&, const RequestTarget& target) override {
        return target.path.size() % 2 == 0 ? status_page(Status::not_found)
                                           : page(Status::ok, "text/plain", "hello");
    }
};

void check_answer(const Answer& answer) {
    const std::size_t end = answer.bytes.find("\r\n\r\n");
    must(answer.bytes.starts_with("HTTP/1.1 ") && end != std::string_view::npos, "an answer has a head");
    const auto lines = lines_of(answer.bytes.substr(0, end + 2));
    for (std::size_t i = 1; i < lines.size(); ++i) {
        must(lines[i].find(": ") != std::string_view::npos, "a line of an answer is a field");
        must(lines[i].find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos,
             "no client writes a line of the answer");
    }
    must(answer.keep_alive || answer.request_body_size == 0, "nothing follows the last answer");
}

/// What a connection comes to: the heads that were accepted, and whether it ended with a refusal.
struct Talk {
    std::vector<std::string> accepted;
    bool refused = false;
    bool operator==(const Talk&) const = default;
};

Talk talk(std::string_view bytes, std::size_t piece_max) {
    Talk talked;
    HeadBuffer buffer{request_line_max};
    Answering responder;
    for (bool first = true;; first = false) {
        if (buffer.begin_next() && bytes.empty() && !first) return talked;
        std::optional<Outcome> found = buffer.is_empty() ? std::nullopt : buffer.find_head();
        while (!found) {
            const auto room = buffer.room();
            const std::size_t size = std::min({room.size(), bytes.size(), piece_max});
            if (size == 0) {
                found = buffer.outcome_at_end();
                break;
            }
            std::memcpy(room.data(), bytes.data(), size);
            bytes.remove_prefix(size);
            buffer.add(size);
            found = buffer.find_head();
        }
        if (*found == Outcome::end) return talked;
        const std::string_view head = *found == Outcome::head ? buffer.head() : std::string_view{};
        const Answer answer = responder.answer(*found, head, buffer.has_more(), false);
        check_answer(answer);
        const auto parsed = parse_request(head);
        const Request* const request = std::get_if<Request>(&parsed);
        if (*found != Outcome::head || request == nullptr) {
            must(!answer.keep_alive, "a refusal is the last answer");
            talked.refused = true;
            return talked;
        }
        check_request(head, *request);
        talked.accepted.emplace_back(head);
        if (!answer.keep_alive) return talked;
        const std::size_t skipped = buffer.skip_body(answer.request_body_size);
        bytes.remove_prefix(std::min<std::size_t>(bytes.size(), answer.request_body_size - skipped));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
    must(talk(bytes, SIZE_MAX) == talk(bytes, std::size_t{data[0]} + 1), "the pieces don't matter");
    return 0;
}
