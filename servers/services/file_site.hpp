/// A file site: the files below a root, and how they are served.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "servers/services/added_header.hpp"
#include "servers/services/content_coding.hpp"
#include "servers/services/error_page.hpp"
#include "servers/services/file_cache.hpp"
#include "servers/services/file_tree.hpp"
#include "servers/services/media_type.hpp"
#include "servers/services/service.hpp"

namespace bullpen::http {

/// One for all handlers of a process. Safe to use from several threads.
struct FileSite {
    static constexpr std::size_t headers_size_max = std::size_t{4} * 1024;

    /// Throws std::system_error if the root can't be served, and OptionError for an option that is wrong.
    explicit FileSite(const ServiceOptions& options);

    FileTree files;
    FileCache cache;
    const MediaTypes types;
    const std::vector<AddedHeader> added_headers;
    const std::vector<ErrorPage> error_pages;
    const std::string fallback;  ///< Served where nothing is found; empty: there is none.
    const ContentCodings precompressed;

private:
    void check_file(const std::string& key, const std::string& path) const;
    void check_headers() const;
    void check_error_pages() const;
};

}  // namespace bullpen::http
