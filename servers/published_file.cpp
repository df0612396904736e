#include "servers/published_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include <bullpen/unique_fd.hpp>
#include "core/log.hpp"

namespace bullpen {

PublishedFile::PublishedFile(const std::string& path, std::string what, const std::string& text)
    : path_{path == "off" ? std::string{} : path}, what_{std::move(what)} {
    if (!path_.empty()) write(text);
}

void PublishedFile::write(const std::string& text) {
    constexpr mode_t for_all_to_read = 0644;
    const std::string name = path_ + ".new";
    ::unlink(name.c_str());  // One that is there may be another server's, which goes on to look for its own.
    const UniqueFd file{::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, for_all_to_read)};
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fstat(file.get(), &made_) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot write the " + what_ + " " + path_};
}

void PublishedFile::publish() const noexcept {
    if (path_.empty() || ::rename((path_ + ".new").c_str(), path_.c_str()) == 0) return;
    log(LogLevel::warning, "cannot write the " + what_ + " " + path_ + ": " + std::strerror(errno));
}

void PublishedFile::replace(const std::string& text) noexcept {
    if (path_.empty()) return;
    try {
        write(text);
        publish();
    } catch (const std::exception& error) {
        log(LogLevel::warning, error.what());
    }
}

PublishedFile::~PublishedFile() {
    if (path_.empty()) return;
    for (const std::string& path : {path_, path_ + ".new"}) {
        struct stat there {};
        const bool is_ours = ::lstat(path.c_str(), &there) == 0 && there.st_dev == made_.st_dev &&
                             there.st_ino == made_.st_ino && there.st_mtim.tv_sec == made_.st_mtim.tv_sec &&
                             there.st_mtim.tv_nsec == made_.st_mtim.tv_nsec;
        if (is_ours) ::unlink(path.c_str());
    }
}

std::string port_file_text(const BoundAddresses& addresses) {
    std::string text;
    for (const auto& [pool, address] : addresses.pools)
        text += address.text() + " " + pool + "\n";
    for (const Address& address : addresses.metrics)
        text += address.text() + " metrics\n";
    return text;
}

}  // namespace bullpen
