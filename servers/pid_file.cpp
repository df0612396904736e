#include "servers/pid_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <bullpen/unique_fd.hpp>
#include "core/log.hpp"
#include "core/read_file.hpp"

namespace bullpen {

PidFile::PidFile(std::string path) : path_{path == "off" ? std::string{} : std::move(path)} {
    if (path_.empty()) return;
    constexpr mode_t for_all_to_read = 0644;
    text_ = std::to_string(::getpid()) + "\n";
    const UniqueFd file{
        ::open((path_ + ".new").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, for_all_to_read)};
    if (!file || ::write(file.get(), text_.data(), text_.size()) != static_cast<ssize_t>(text_.size()))
        throw std::system_error{errno, std::generic_category(), "cannot write the pid file " + path_};
}

void PidFile::publish() const noexcept {
    if (path_.empty() || ::rename((path_ + ".new").c_str(), path_.c_str()) == 0) return;
    log(LogLevel::warning, "cannot write the pid file " + path_ + ": " + std::strerror(errno));
}

PidFile::~PidFile() {
    if (path_.empty()) return;
    for (const std::string& path : {path_, path_ + ".new"}) {
        std::error_code error;
        if (read_file(path, error) == text_ && !error) ::unlink(path.c_str());
    }
}

}  // namespace bullpen
