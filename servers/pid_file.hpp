/// The pid file: where whoever supervises a server reads which process that is.
#pragma once

#include <string>

namespace bullpen {

/// Holds the keeper's pid from the moment at which the server is ready to its end, or until another server
/// has taken its place.
class PidFile {
public:
    /// In the process that becomes the keeper: writes PATH.new, so that a directory that can't be written is
    /// an error at the start. "off": there is none. Throws std::system_error.
    explicit PidFile(std::string path);
    ~PidFile();  ///< In the keeper: removes what is this server's.
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

    /// In the master, once: gives PATH.new its name, which replaces a file that is there.
    void publish() const noexcept;

private:
    std::string path_;
    std::string text_;
};

}  // namespace bullpen
