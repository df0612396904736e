#include "servers/services/file_site.hpp"

#include <algorithm>
#include <system_error>

#include "servers/services/option_error.hpp"

namespace bullpen::http {
namespace {

FileCache::Limits limits_for(const ServiceOptions& options) noexcept {
    if (options.file_cache == 0) return FileCache::Limits::modest();
    return {.lifetime = std::chrono::seconds{options.file_cache}};
}

}  // namespace

FileSite::FileSite(const ServiceOptions& options)
    : files{options.root, options.links},
      cache{limits_for(options)},
      types{options.charset, options.types},
      added_headers{options.add_header},
      error_pages{options.error_page},
      fallback{below_root(options.fallback)},
      precompressed{options.precompressed} {
    check_headers();
    check_error_pages();
    if (!options.fallback.empty()) check_file("fallback", fallback);
}

void FileSite::check_file(const std::string& key, const std::string& path) const {
    const OpenedFile opened = files.open(path);
    const std::string expected = "; expected a file that can be read, by its path below the root";
    if (!opened.fd)
        throw OptionError{key, "'" + path + "': " + std::generic_category().message(opened.error) + expected};
    if (opened.is_directory()) throw OptionError{key, "'" + path + "' is a directory" + expected};
}

void FileSite::check_headers() const {
    std::size_t size = 0;
    for (const AddedHeader& header : added_headers)
        size += header.line.size();
    if (size > headers_size_max)
        throw OptionError{"add_header", "all headers together are " + std::to_string(size) +
                                            " bytes long; expected at most " +
                                            std::to_string(headers_size_max)};
}

void FileSite::check_error_pages() const {
    for (auto page = error_pages.begin(); page != error_pages.end(); ++page) {
        check_file("error_page", page->file);
        if (files.open(page->file).size() > ErrorPage::size_max)
            throw OptionError{"error_page", "'" + page->file + "' is too large; expected at most " +
                                                std::to_string(ErrorPage::size_max) + " bytes"};
        if (std::any_of(error_pages.begin(), page,
                        [&](const ErrorPage& one) { return one.code == page->code; }))
            throw OptionError{"error_page",
                              std::to_string(page->code) + " is given twice; expected one file for a status"};
    }
}

}  // namespace bullpen::http
