/// http: the files below a directory, for browsers.
#include <fcntl.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "servers/services/byte_range.hpp"
#include "servers/services/directory_listing.hpp"
#include "servers/services/file_tree.hpp"
#include "servers/services/head_reader.hpp"
#include "servers/services/media_type.hpp"
#include "servers/services/percent_encoding.hpp"
#include "servers/services/request.hpp"
#include "servers/services/request_target.hpp"
#include "servers/services/response_head.hpp"
#include "servers/services/service.hpp"
#include "servers/services/validator.hpp"

namespace bullpen {
namespace http {
namespace {

// Up to here a file is copied behind its head and both leave in one call; above, sendfile(2) saves more than
// the second call costs.
constexpr std::size_t small_file_max = 32 * 1024;
constexpr std::size_t head_room = 2 * 1024;

/// How long a client that was told off may go on sending before the connection is closed on it.
constexpr std::chrono::milliseconds linger_patience{2'000};

Status status_of_open_error(int error) noexcept {
    switch (error) {
        case EACCES:
        case EPERM: return Status::forbidden;
        case EAGAIN:
        case EMFILE:
        case ENFILE:
        case ENOMEM: return Status::unavailable;
        case EIO: return Status::internal_error;
        default: return Status::not_found;
    }
}

/// Reads until the buffer is full: a promise of as many bytes is already written in front of it.
void read_file(int file, std::span<char> into, std::uint64_t offset) {
    while (!into.empty()) {
        const ssize_t size = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
        if (size == 0) throw std::runtime_error{"the file became shorter while it was read"};
        if (size < 0 && errno != EINTR)
            throw std::system_error{errno, std::generic_category(), "read a file"};
        if (size < 0) continue;
        into = into.subspan(static_cast<std::size_t>(size));
        offset += static_cast<std::uint64_t>(size);
    }
}

/// One client, from its first request to its last.
class Visit {
public:
    Visit(Connection& client, const FileTree& files) noexcept
        : client_{client}, files_{files}, heads_{client, HeadLimits{}} {}

    void run() {
        do {
            switch (heads_.next()) {
                case HeadReader::Outcome::end: return;
                case HeadReader::Outcome::head: answer(parse_request(heads_.head())); break;
                case HeadReader::Outcome::malformed: answer(Status::bad_request); break;
                case HeadReader::Outcome::line_too_long: answer(Status::uri_too_long); break;
                case HeadReader::Outcome::head_too_long: answer(Status::head_too_large); break;
            }
        } while (keep_alive_);
        if (more_may_come_) client_.linger(linger_patience);
    }

private:
    void answer(const std::variant<Request, Status>& parsed) {
        if (const Request* request = std::get_if<Request>(&parsed)) return answer(*request);
        answer(std::get<Status>(parsed));
    }

    /// To what is no request: nothing behind it can be understood either.
    void answer(Status error) {
        keep_alive_ = false;
        more_may_come_ = true;
        send_status(error);
    }

    void answer(const Request& request) {
        keep_alive_ = request.keep_alive && !request.has_body && !client_.draining();
        more_may_come_ = request.has_body || heads_.has_more();
        is_http_1_0_ = request.is_http_1_0;
        is_head_ = request.method == Method::head;
        if (request.method == Method::unknown) return send_status(Status::not_implemented);
        if (request.method == Method::other) return send_status(Status::method_not_allowed);

        const auto target = parse_request_target(request.target);
        if (!target) return send_status(Status::bad_request);
        if (target->names_directory()) return send_directory(request, *target);
        const OpenedFile file = files_.open(target->path);
        if (!file.fd) return send_status(status_of_open_error(file.error));
        if (file.is_directory()) return send_redirect(*target);
        send_file(request, target->path, file);
    }

    void send_directory(const Request& request, const RequestTarget& target) {
        const std::string index_path = target.path + "index.html";
        const OpenedFile index = files_.open(index_path);
        if (index.fd && !index.is_directory()) return send_file(request, index_path, index);
        if (index.error != 0 && index.error != ENOENT) return send_status(status_of_open_error(index.error));

        OpenedFile directory = files_.open(target.path);
        if (!directory.fd) return send_status(status_of_open_error(directory.error));
        const std::string page =
            directory_page(target.path, files_.entries(std::move(directory), target.path));
        ResponseHead head = begin(Status::ok);
        head.add("Content-Type", "text/html; charset=utf-8");
        head.add("Content-Length", page.size());
        if (is_head_) return client_.write_all(head.finish());
        client_.write_before_more(head.finish());
        client_.write_all(page);
    }

    /// Made from the decoded path, so that "//host" in front can't lead to another server.
    void send_redirect(const RequestTarget& target) {
        const std::string location = "/" + percent_encode(target.path) + "/" + std::string{target.query};
        ResponseHead head = begin(Status::moved_permanently);
        head.add("Location", location);
        send_status_page(head, Status::moved_permanently);
    }

    void send_file(const Request& request, std::string_view path, const OpenedFile& file) {
        const Validator validator{file.status.st_mtim, file.size()};
        switch (validator.evaluate(request.conditions)) {
            case Precondition::proceed: break;
            case Precondition::failed: return send_status(Status::precondition_failed);
            case Precondition::not_modified: return send_not_modified(validator);
        }
        const bool may_be_part =
            !is_head_ && !request.range.empty() && validator.allows_range(request.conditions);
        const ByteRange range = parse_byte_range(may_be_part ? request.range : "", file.size());
        if (range.kind == ByteRange::Kind::unsatisfiable) return send_unsatisfiable(file.size());

        const bool is_part = range.kind == ByteRange::Kind::part;
        ResponseHead head = begin(is_part ? Status::partial_content : Status::ok);
        head.add("Content-Type", media_type(path));
        head.add("Content-Length", range.count);
        if (is_part)
            head.add("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                          std::to_string(range.first + range.count - 1) + "/" +
                                          std::to_string(file.size()));
        add(head, validator);
        head.add("Accept-Ranges", "bytes");
        send_part(head.finish(), file.fd.get(), range);
    }

    void send_part(std::string_view head, int file, const ByteRange& part) {
        if (is_head_) return client_.write_all(head);
        if (part.count > small_file_max) {
            client_.write_before_more(head);
            return client_.send_file(file, static_cast<off_t>(part.first), part.count);
        }
        read_file(file, std::span{answer_}.subspan(head.size(), part.count), part.first);
        client_.write_all(std::string_view{answer_.data(), head.size() + part.count});
    }

    void send_not_modified(const Validator& validator) {
        ResponseHead head = begin(Status::not_modified);
        add(head, validator);
        client_.write_all(head.finish());
    }

    void send_unsatisfiable(std::uint64_t size) {
        ResponseHead head = begin(Status::range_not_satisfiable);
        head.add("Content-Range", "bytes */" + std::to_string(size));
        send_status_page(head, Status::range_not_satisfiable);
    }

    void send_status(Status status) {
        ResponseHead head = begin(status);
        if (status == Status::method_not_allowed) head.add("Allow", "GET, HEAD");
        send_status_page(head, status);
    }

    void send_status_page(ResponseHead& head, Status status) {
        const std::string_view text = status_text(status);
        head.add("Content-Type", "text/plain; charset=utf-8");
        head.add("Content-Length", text.size() + 1);
        std::string message{head.finish()};
        if (!is_head_) message.append(text).append("\n");
        client_.write_all(message);
    }

    /// The headers that every answer has.
    ResponseHead begin(Status status) {
        ResponseHead head{answer_, status};
        head.add("Server", "bullpen");
        head.add("Date", http_date_now());
        head.add("X-Content-Type-Options", "nosniff");
        if (!keep_alive_) head.add("Connection", "close");
        if (keep_alive_ && is_http_1_0_) head.add("Connection", "keep-alive");
        return head;
    }

    static void add(ResponseHead& head, const Validator& validator) {
        head.add("Last-Modified", validator.last_modified());
        head.add("ETag", validator.entity_tag());
    }

    Connection& client_;
    const FileTree& files_;
    HeadReader heads_;
    bool keep_alive_ = false;
    bool more_may_come_ = false;  ///< A plain close might destroy the answer: see Connection::linger.
    bool is_http_1_0_ = false;
    bool is_head_ = false;
    std::array<char, head_room + small_file_max> answer_;  ///< The head, and what fits behind it.
};

}  // namespace
}  // namespace http

Handler make_http(const ServiceOptions& options) {
    return [files = std::make_shared<const http::FileTree>(options.root)](Connection& client) {
        http::Visit{client, *files}.run();
    };
}

}  // namespace bullpen
