/// Answers requests with the files below a directory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/read_only_responder.hpp"
#include "servers/services/byte_range.hpp"
#include "servers/services/content_coding.hpp"
#include "servers/services/file_site.hpp"

namespace bullpen::http {

class FileResponder final : public ReadOnlyResponder {
public:
    /// Borrows the site.
    explicit FileResponder(FileSite& site) noexcept : site_{site} {}

private:
    /// What of a site an answer has: the file at a path, or one beside it that is the same in a coding.
    struct Wanted {
        const std::string& path;
        ContentCoding coding = ContentCoding::identity;

        [[nodiscard]] bool is_coded() const noexcept { return coding != ContentCoding::identity; }
        [[nodiscard]] std::string file_path() const { return path + std::string{suffix_of(coding)}; }
    };

    /// A file as an answer needs it, whether it comes from the cache or from the disk.
    struct File {
        std::uint64_t size;
        const Validator& validator;
        std::string_view headers{};   ///< The lines about it; empty: not yet written.
        std::string_view contents{};  ///< All bytes, if they are in memory; else they are read from fd.
        int fd = -1;
        bool is_tried = false;  ///< fd was read from when it was opened.
    };

    Answer respond(const Request& request, const RequestTarget& target) override;
    Answer answer_not_found(const Request& request) override;
    void add_headers(ResponseHead& head, const std::string& path) const override;
    std::optional<Page> page_for(Status status) override;

    std::optional<Answer> answer_path(const Request& request, const std::string& path, OpenedFile& opened);
    Answer answer_directory(const Request& request, const RequestTarget& target);
    Answer answer_listing(const Request& request, const std::string& path, OpenedFile directory);
    Answer answer_redirect(const RequestTarget& target);
    Answer answer_failed(const Request& request, int error);
    Answer answer_opened(const Request& request, const Wanted& wanted, OpenedFile opened);
    Answer answer_kept(const Request& request, const Wanted& wanted, std::shared_ptr<const KeptFile> file);
    std::optional<Answer> answer_coded(const Request& request, const Wanted& plain,
                                       const Validator& validator);
    Answer answer_file(const Request& request, const Wanted& wanted, const File& file);
    Answer answer_part(ResponseHead& head, const File& file, const ByteRange& part);
    Answer answer_not_modified(const std::string& path, const Validator& validator);
    Answer answer_unsatisfiable(std::uint64_t size);

    void add_whole(ResponseHead& head, const Wanted& wanted, std::uint64_t size,
                   const Validator& validator) const;

    [[nodiscard]] std::shared_ptr<const KeptFile> cached(const std::string& key) const;
    [[nodiscard]] bool is_worth_keeping(const OpenedFile& opened, const Validator& validator) const noexcept;
    [[nodiscard]] OpenedFile open(const std::string& path);
    [[nodiscard]] KeptFile make_kept(OpenedFile opened, const Wanted& wanted,
                                     const Validator& validator) const;

    FileSite& site_;
    std::uint64_t epoch_ = 0;  ///< Of the cache, when the request came.
    // The last answer borrows these.
    std::shared_ptr<const KeptFile> kept_;
    std::string page_;
};

}  // namespace bullpen::http
