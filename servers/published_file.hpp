/// A file in which whoever supervises a server reads something of it.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include <bullpen/bound_addresses.hpp>

namespace bullpen {

/// Holds a text from the moment at which the server is ready to its end, or until another server has put its
/// own in its place.
class PublishedFile {
public:
    /// In the process that becomes the keeper: writes PATH.new, so that a directory that can't be written is
    /// an error at the start, which calls it `what` ("pid file"). "off": there is none. Throws
    /// std::system_error.
    PublishedFile(const std::string& path, std::string what, const std::string& text);
    ~PublishedFile();  ///< In the keeper: removes what is this server's.
    PublishedFile(const PublishedFile&) = delete;
    PublishedFile& operator=(const PublishedFile&) = delete;

    /// In the master, once: gives PATH.new its name, which replaces a file that is there.
    void publish() const noexcept;

    /// In the keeper, after a reload: another text. One that can't be written is logged.
    void replace(const std::string& text) noexcept;

private:
    void write(const std::string& text);

    std::string path_;  ///< Empty: there is none.
    std::string what_;
    struct stat made_ {};
};

/// A line for each address: "ADDRESS POOL", and "ADDRESS metrics" for where the exporter answers, last.
std::string port_file_text(const BoundAddresses& addresses);

}  // namespace bullpen
