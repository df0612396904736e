/// Answers requests with the files below a directory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/http/responder.hpp"
#include "servers/services/byte_range.hpp"
#include "servers/services/file_cache.hpp"
#include "servers/services/file_tree.hpp"

namespace bullpen::http {

class FileResponder final : public Responder {
public:
    /// Borrows both; they may be shared by all responders of a process.
    FileResponder(const FileTree& files, FileCache& cache) noexcept : files_{files}, cache_{cache} {}

private:
    /// A file as an answer needs it, whether it comes from the cache or from the disk.
    struct File {
        std::uint64_t size;
        const Validator& validator;
        std::string_view type;
        std::string_view headers{};   ///< Size, validator and type as header lines; empty: not yet written.
        std::string_view contents{};  ///< All bytes, if they are in memory; else they are read from fd.
        int fd = -1;
    };

    Answer respond(const Request& request, const RequestTarget& target) override;
    Answer answer_directory(const Request& request, const RequestTarget& target);
    Answer answer_redirect(const RequestTarget& target);
    Answer answer_opened(const Request& request, std::string_view path, OpenedFile opened);
    Answer answer_kept(const Request& request, std::shared_ptr<const KeptFile> file);
    Answer answer_file(const Request& request, const File& file);
    Answer answer_part(ResponseHead& head, const File& file, const ByteRange& part);
    Answer answer_not_modified(const Validator& validator);
    Answer answer_unsatisfiable(std::uint64_t size);

    [[nodiscard]] std::shared_ptr<const KeptFile> cached(const std::string& path) const;
    [[nodiscard]] bool is_worth_keeping(const OpenedFile& opened) const noexcept;
    [[nodiscard]] OpenedFile open(const std::string& path);
    [[nodiscard]] KeptFile make_kept(OpenedFile opened, std::string_view path);

    const FileTree& files_;
    FileCache& cache_;
    // The last answer borrows these.
    std::shared_ptr<const KeptFile> kept_;
    std::string page_;
};

}  // namespace bullpen::http
