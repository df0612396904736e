#include "servers/services/file_responder.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "core/http/percent_encoding.hpp"
#include "servers/services/directory_listing.hpp"
#include "servers/services/media_type.hpp"

namespace bullpen::http {
namespace {

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

/// Reads until the buffer is full: the head in front of it has already announced this Content-Length.
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

void add(ResponseHead& head, const Validator& validator) {
    head.add("Last-Modified", validator.last_modified());
    head.add("ETag", validator.entity_tag());
}

void add_whole(ResponseHead& head, std::string_view type, std::uint64_t size, const Validator& validator) {
    head.add("Content-Type", type);
    head.add("Content-Length", size);
    add(head, validator);
    head.add("Accept-Ranges", "bytes");
}

}  // namespace

Answer FileResponder::respond(const Request& request, const RequestTarget& target) {
    if (target.names_directory()) return answer_directory(request, target);
    if (auto kept = cached(target.path)) return answer_kept(request, std::move(kept));
    OpenedFile opened = open(target.path);
    if (!opened.fd) return status_page(status_of_open_error(opened.error));
    if (opened.is_directory()) return answer_redirect(target);
    return answer_opened(request, target.path, std::move(opened));
}

Answer FileResponder::answer_directory(const Request& request, const RequestTarget& target) {
    const std::string index_path = target.path + "index.html";
    if (auto kept = cached(index_path)) return answer_kept(request, std::move(kept));
    OpenedFile index = open(index_path);
    if (index.fd && !index.is_directory()) return answer_opened(request, index_path, std::move(index));
    if (index.error != 0 && index.error != ENOENT) return status_page(status_of_open_error(index.error));

    OpenedFile directory = open(target.path);
    if (!directory.fd) return status_page(status_of_open_error(directory.error));
    page_ = directory_page(target.path, files_.entries(std::move(directory), target.path));
    ResponseHead head = begin(Status::ok);
    head.add("Content-Type", "text/html; charset=utf-8");
    head.add("Content-Length", page_.size());
    Answer answer = finish(head);
    if (is_head()) return answer;
    answer.body = page_;
    answer.body_size = page_.size();
    return answer;
}

/// The Location is made from the decoded path, so that a target that begins with "//host" can't redirect to
/// another server.
Answer FileResponder::answer_redirect(const RequestTarget& target) {
    const std::string location = "/" + percent_encode(target.path) + "/" + std::string{target.query};
    ResponseHead head = begin(Status::moved_permanently);
    head.add("Location", location);
    return status_page(head, Status::moved_permanently);
}

Answer FileResponder::answer_opened(const Request& request, std::string_view path, OpenedFile opened) {
    if (is_worth_keeping(opened)) {
        const TimePoint now = Clock::now();
        auto kept = std::make_shared<const KeptFile>(make_kept(std::move(opened), path));
        cache_.keep(path, kept, now);
        return answer_kept(request, std::move(kept));
    }
    const Validator validator{opened.status.st_mtim, opened.size()};
    Answer answer = answer_file(
        request,
        {.size = opened.size(), .validator = validator, .type = media_type(path), .fd = opened.fd.get()});
    answer.opened = std::move(opened.fd);
    return answer;
}

Answer FileResponder::answer_kept(const Request& request, std::shared_ptr<const KeptFile> file) {
    kept_ = std::move(file);
    return answer_file(request, {.size = kept_->size,
                                 .validator = kept_->validator,
                                 .type = kept_->type,
                                 .headers = kept_->headers,
                                 .contents = kept_->contents,
                                 .fd = kept_->fd.get()});
}

Answer FileResponder::answer_file(const Request& request, const File& file) {
    switch (file.validator.evaluate(request.conditions)) {
        case Precondition::proceed: break;
        case Precondition::failed: return status_page(Status::precondition_failed);
        case Precondition::not_modified: return answer_not_modified(file.validator);
    }
    const bool may_be_part =
        !is_head() && !request.range.empty() && file.validator.allows_range(request.conditions);
    const ByteRange range = parse_byte_range(may_be_part ? request.range : "", file.size);
    if (range.kind == ByteRange::Kind::unsatisfiable) return answer_unsatisfiable(file.size);
    if (range.kind == ByteRange::Kind::part) {
        ResponseHead head = begin(Status::partial_content);
        head.add("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                      std::to_string(range.first + range.count - 1) + "/" +
                                      std::to_string(file.size));
        add_whole(head, file.type, range.count, file.validator);
        return answer_part(head, file, range);
    }
    ResponseHead head = begin(Status::ok);
    if (file.headers.empty())
        add_whole(head, file.type, file.size, file.validator);
    else
        head.add_lines(file.headers);
    return answer_part(head, file, range);
}

Answer FileResponder::answer_part(ResponseHead& head, const File& file, const ByteRange& part) {
    if (is_head()) return finish(head);
    if (file.fd < 0) return finish(head, file.contents.substr(part.first, part.count));
    if (part.count <= small_body_max) {
        Answer answer;
        read_file(file.fd, finish(head, part.count, answer), part.first);
        return answer;
    }
    Answer answer = finish(head);
    answer.file = file.fd;
    answer.file_offset = part.first;
    answer.file_size = part.count;
    return answer;
}

Answer FileResponder::answer_not_modified(const Validator& validator) {
    ResponseHead head = begin(Status::not_modified);
    add(head, validator);
    return finish(head);
}

Answer FileResponder::answer_unsatisfiable(std::uint64_t size) {
    ResponseHead head = begin(Status::range_not_satisfiable);
    head.add("Content-Range", "bytes */" + std::to_string(size));
    return status_page(head, Status::range_not_satisfiable);
}

std::shared_ptr<const KeptFile> FileResponder::cached(const std::string& path) const {
    const TimePoint now = Clock::now();
    FileCache::Found found = cache_.find(path, now);
    if (!found.file || found.trusted) return std::move(found.file);
    if (found.file->identity == FileIdentity{} || found.file->identity != files_.identify(path)) return {};
    cache_.renew(path, now);
    return std::move(found.file);
}

bool FileResponder::is_worth_keeping(const OpenedFile& opened) const noexcept {
    if (cache_.keeps_descriptors()) return true;
    return opened.size() <= small_body_max &&
           FileIdentity{opened.status}.is_settled(std::chrono::system_clock::now());
}

OpenedFile FileResponder::open(const std::string& path) {
    OpenedFile opened = files_.open(path);
    if ((opened.error != EMFILE && opened.error != ENFILE) || !cache_.keeps_descriptors()) return opened;
    cache_.clear();  // Descriptors have run out: those of kept files are needed more here.
    return files_.open(path);
}

KeptFile FileResponder::make_kept(OpenedFile opened, std::string_view path) {
    KeptFile kept{.fd = {},
                  .contents = {},
                  .size = opened.size(),
                  .validator = {opened.status.st_mtim, opened.size()},
                  .type = media_type(path),
                  .headers = {},
                  .identity = {}};
    const FileIdentity identity{opened.status};
    if (identity.is_settled(std::chrono::system_clock::now())) kept.identity = identity;
    if (kept.size <= small_body_max) {
        kept.contents.resize(kept.size);
        read_file(opened.fd.get(), kept.contents, 0);
    } else {
        kept.fd = std::move(opened.fd);
    }
    std::array<char, 1024> lines;
    ResponseHead head{lines, Status::ok};
    const std::size_t status_line = head.text().size();
    add_whole(head, kept.type, kept.size, kept.validator);
    kept.headers = head.text().substr(status_line);
    return kept;
}

}  // namespace bullpen::http
