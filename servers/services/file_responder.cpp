#include "servers/services/file_responder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <exception>
#include <utility>

#include "core/http/percent_encoding.hpp"
#include "servers/services/directory_listing.hpp"
#include "servers/services/file_bytes.hpp"

namespace bullpen::http {
namespace {

/// Nothing is there that may be served.
bool says_not_found(int error) noexcept {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
        case ENAMETOOLONG:
        case EILSEQ:
        case ELOOP:
        case EXDEV:
        case ENODEV:
        case ENXIO: return true;
        default: return false;
    }
}

void add(ResponseHead& head, const Validator& validator) {
    if (validator.has_date()) head.add("Last-Modified", validator.last_modified());
    if (!validator.entity_tag().empty()) head.add("ETag", validator.entity_tag());
}

/// No path has a NUL, so that this is the key of no other file; and where a path ends at a NUL, it is the
/// file's path.
std::string key_of(std::string coded_path) {
    coded_path += '\0';
    return coded_path;
}

}  // namespace

Answer FileResponder::respond(const Request& request, const RequestTarget& target) {
    if (site_.files.renew_root(Clock::now())) site_.cache.clear();
    epoch_ = site_.cache.epoch();
    if (target.names_directory()) return answer_directory(request, target);
    OpenedFile opened;
    if (auto answer = answer_path(request, target.path, opened)) return std::move(*answer);
    if (opened.fd) return answer_redirect(target);
    return answer_failed(request, opened.error);
}

/// The answer with the file at the path; else `opened` says what is there instead.
std::optional<Answer> FileResponder::answer_path(const Request& request, const std::string& path,
                                                 OpenedFile& opened) {
    const Wanted wanted{.path = path};
    if (auto kept = cached(path)) {
        if (auto answer = answer_coded(request, wanted, kept->validator)) return answer;
        return answer_kept(request, wanted, std::move(kept));
    }
    opened = open(path);
    if (!opened.fd || opened.is_directory()) return {};
    return answer_opened(request, wanted, std::move(opened));
}

Answer FileResponder::answer_directory(const Request& request, const RequestTarget& target) {
    OpenedFile opened;
    if (auto answer = answer_path(request, target.path + "index.html", opened)) return std::move(*answer);
    if (!opened.fd && opened.error != ENOENT) return answer_failed(request, opened.error);
    OpenedFile directory = open(target.path);
    if (!directory.fd) return answer_failed(request, directory.error);
    return answer_listing(request, target.path, std::move(directory));
}

Answer FileResponder::answer_listing(const Request& request, const std::string& path, OpenedFile directory) {
    page_ = directory_page(path, site_.files.entries(std::move(directory), path));
    switch (Validator{}.evaluate(request.conditions)) {
        case Precondition::proceed: break;
        case Precondition::failed: return status_page(Status::precondition_failed);
        case Precondition::not_modified: return answer_not_modified(path, Validator{});
    }
    ResponseHead head = begin(Status::ok);
    add_headers(head, path);
    return finish(head, Page{.text = page_, .type = "text/html; charset=utf-8"});
}

/// The Location is made from the decoded path, so that a target that begins with "//host" can't redirect to
/// another server.
Answer FileResponder::answer_redirect(const RequestTarget& target) {
    const std::string location = "/" + percent_encode(target.path) + "/" + std::string{target.query};
    ResponseHead head = begin(Status::moved_permanently);
    head.add("Location", location);
    add_headers(head, target.path);
    return status_page(head, Status::moved_permanently);
}

Answer FileResponder::answer_failed(const Request& request, int error) {
    return says_not_found(error) ? answer_not_found(request) : status_page(status_of_trouble(error));
}

Answer FileResponder::answer_not_found(const Request& request) {
    OpenedFile opened;
    if (!site_.fallback.empty())
        if (auto answer = answer_path(request, site_.fallback, opened)) return std::move(*answer);
    return status_page(Status::not_found);
}

Answer FileResponder::answer_opened(const Request& request, const Wanted& wanted, OpenedFile opened) {
    const Validator validator{opened.status.st_mtim, opened.size(), std::time(nullptr),
                              name_of(wanted.coding)};
    if (auto answer = answer_coded(request, wanted, validator)) return std::move(*answer);
    if (is_worth_keeping(opened, validator)) {
        const std::string key = wanted.is_coded() ? key_of(wanted.file_path()) : wanted.path;
        auto kept = std::make_shared<const KeptFile>(make_kept(std::move(opened), wanted, validator));
        site_.cache.keep(key, kept, Clock::now(), epoch_);
        return answer_kept(request, wanted, std::move(kept));
    }
    Answer answer =
        answer_file(request, wanted, {.size = opened.size(), .validator = validator, .fd = opened.fd.get()});
    answer.opened = std::move(opened.fd);
    return answer;
}

Answer FileResponder::answer_kept(const Request& request, const Wanted& wanted,
                                  std::shared_ptr<const KeptFile> file) {
    kept_ = std::move(file);
    return answer_file(request, wanted,
                       {.size = kept_->size,
                        .validator = kept_->validator,
                        .headers = kept_->headers,
                        .contents = kept_->contents,
                        .fd = kept_->fd.get(),
                        .is_tried = true});
}

/// The same in the coding that the client likes best, from a file beside it that isn't older.
std::optional<Answer> FileResponder::answer_coded(const Request& request, const Wanted& plain,
                                                  const Validator& validator) {
    if (plain.is_coded() || site_.precompressed.codings.empty() || request.accept_encoding.empty()) return {};
    for (const ContentCoding coding : preferred(request.accept_encoding, site_.precompressed).codings) {
        const Wanted wanted{.path = plain.path, .coding = coding};
        if (auto kept = cached(key_of(wanted.file_path()))) {
            if (kept->validator.is_older_than(validator)) continue;
            return answer_kept(request, wanted, std::move(kept));
        }
        OpenedFile opened = open(wanted.file_path());
        if (!opened.fd || opened.is_directory()) continue;
        if (Validator{opened.status.st_mtim, opened.size(), 0}.is_older_than(validator)) continue;
        return answer_opened(request, wanted, std::move(opened));
    }
    return {};
}

Answer FileResponder::answer_file(const Request& request, const Wanted& wanted, const File& file) {
    switch (file.validator.evaluate(request.conditions)) {
        case Precondition::proceed: break;
        case Precondition::failed: return status_page(Status::precondition_failed);
        case Precondition::not_modified: return answer_not_modified(wanted.path, file.validator);
    }
    const bool may_be_part =
        !is_head() && !request.range.empty() && file.validator.allows_range(request.conditions);
    const ByteRange range = parse_byte_range(may_be_part ? request.range : "", file.size);
    if (range.kind != ByteRange::Kind::whole && file.fd >= 0 && !file.is_tried && file.size > 0) {
        char last = 0;  // The answer names the whole's size.
        read_bytes(file.fd, {&last, 1}, file.size - 1);
    }
    if (range.kind == ByteRange::Kind::unsatisfiable) return answer_unsatisfiable(file.size);
    if (range.kind == ByteRange::Kind::part) {
        ResponseHead head = begin(Status::partial_content);
        head.add("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                      std::to_string(range.first + range.count - 1) + "/" +
                                      std::to_string(file.size));
        add_whole(head, wanted, range.count, file.validator);
        return answer_part(head, file, range);
    }
    ResponseHead head = begin(Status::ok);
    if (file.headers.empty())
        add_whole(head, wanted, file.size, file.validator);
    else
        head.add_lines(file.headers);
    return answer_part(head, file, range);
}

Answer FileResponder::answer_part(ResponseHead& head, const File& file, const ByteRange& part) {
    const bool is_read_here = part.count <= small_body_max && !is_head();
    if (file.fd >= 0 && !file.is_tried && file.size == 0) check_emptiness(file.fd);
    if (file.fd >= 0 && !file.is_tried && !is_read_here) try_bytes(file.fd, part.first, part.count);
    if (is_head()) return finish(head);
    if (file.fd < 0) return finish(head, file.contents.substr(part.first, part.count));
    if (is_read_here) {
        Answer answer;
        read_bytes(file.fd, finish(head, part.count, answer), part.first);
        return answer;
    }
    Answer answer = finish(head);
    answer.file = file.fd;
    answer.file_offset = part.first;
    answer.file_size = part.count;
    return answer;
}

Answer FileResponder::answer_not_modified(const std::string& path, const Validator& validator) {
    ResponseHead head = begin(Status::not_modified);
    add(head, validator);
    add_headers(head, path);
    return finish(head);
}

Answer FileResponder::answer_unsatisfiable(std::uint64_t size) {
    ResponseHead head = begin(Status::range_not_satisfiable);
    head.add("Content-Range", "bytes */" + std::to_string(size));
    return status_page(head, Status::range_not_satisfiable);
}

std::optional<Responder::Page> FileResponder::page_for(Status status) {
    const auto page =
        std::find_if(site_.error_pages.begin(), site_.error_pages.end(),
                     [&](const ErrorPage& one) { return one.code == static_cast<std::uint16_t>(status); });
    if (page == site_.error_pages.end()) return {};
    try {
        const OpenedFile opened = open(page->file);
        if (!opened.fd || opened.is_directory() || opened.size() > ErrorPage::size_max) return {};
        page_.resize(opened.size());
        read_bytes(opened.fd.get(), page_, 0);
        return Page{.text = page_, .type = site_.types.of(page->file)};
    } catch (const std::exception&) {
        return {};  // The status alone is an answer, too.
    }
}

/// The lines about a file or a part of it, of which `size` bytes are sent.
void FileResponder::add_whole(ResponseHead& head, const Wanted& wanted, std::uint64_t size,
                              const Validator& validator) const {
    head.add("Content-Type", site_.types.of(wanted.path));
    head.add("Content-Length", size);
    add(head, validator);
    head.add("Accept-Ranges", "bytes");
    if (wanted.is_coded()) head.add("Content-Encoding", name_of(wanted.coding));
    add_headers(head, wanted.path);
}

/// What the options say of a path.
void FileResponder::add_headers(ResponseHead& head, const std::string& path) const {
    if (!site_.precompressed.codings.empty()) head.add("Vary", "Accept-Encoding");
    for (const AddedHeader& header : site_.added_headers)
        if (header.is_for(path)) head.add_lines(header.line);
}

std::shared_ptr<const KeptFile> FileResponder::cached(const std::string& key) const {
    const TimePoint now = Clock::now();
    FileCache::Found found = site_.cache.find(key, now);
    if (!found.file || found.trusted) return std::move(found.file);
    if (found.file->identity == FileIdentity{} || found.file->identity != site_.files.identify(key))
        return {};
    site_.cache.renew(key, now);
    return std::move(found.file);
}

/// What has no Last-Modified yet will have one: it isn't kept for longer than is asked for.
bool FileResponder::is_worth_keeping(const OpenedFile& opened, const Validator& validator) const noexcept {
    if (site_.cache.keeps_descriptors()) return true;
    return opened.size() <= small_body_max && validator.has_date() &&
           FileIdentity{opened.status}.is_settled(std::chrono::system_clock::now());
}

OpenedFile FileResponder::open(const std::string& path) {
    OpenedFile opened = site_.files.open(path);
    if ((opened.error != EMFILE && opened.error != ENFILE) || !site_.cache.keeps_descriptors()) return opened;
    site_.cache.clear();  // Descriptors have run out: those of kept files are needed more here.
    return site_.files.open(path);
}

KeptFile FileResponder::make_kept(OpenedFile opened, const Wanted& wanted, const Validator& validator) const {
    KeptFile kept{.fd = {},
                  .contents = {},
                  .size = opened.size(),
                  .validator = validator,
                  .headers = {},
                  .identity = {}};
    const FileIdentity identity{opened.status};
    if (identity.is_settled(std::chrono::system_clock::now()) && validator.has_date())
        kept.identity = identity;
    if (kept.size == 0) check_emptiness(opened.fd.get());
    if (kept.size <= small_body_max) {
        kept.contents.resize(kept.size);
        read_bytes(opened.fd.get(), kept.contents, 0);
    } else {
        try_bytes(opened.fd.get(), 0, kept.size);
        kept.fd = std::move(opened.fd);
    }
    std::array<char, 1024 + FileSite::headers_size_max> lines;
    ResponseHead head{lines, Status::ok};
    const std::size_t status_line = head.text().size();
    add_whole(head, wanted, kept.size, kept.validator);
    kept.headers = head.text().substr(status_line);
    return kept;
}

}  // namespace bullpen::http
