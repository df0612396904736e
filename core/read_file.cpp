#include "core/read_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include <bullpen/unique_fd.hpp>
#include "core/start_wait.hpp"

namespace bullpen {

std::string read_file(const std::string& path, const ReadLimits& limits) {
    std::error_code error;
    std::string text = read_file(path, error, limits);
    if (error == std::errc::stream_timeout)
        throw std::runtime_error{"cannot read " + path + ": " + reason_of(error)};
    if (error) throw std::system_error{error, "cannot read " + path};
    return text;
}

std::string read_file(const std::string& path, std::error_code& error, const ReadLimits& limits) {
    const TimePoint deadline = Clock::now() + limits.patience;
    const auto fail = [&](int number) {
        error = {number, std::generic_category()};
        return std::string{};
    };
    error.clear();
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return fail(errno);
    std::string text;
    for (std::array<char, 4096> piece;;) {
        if (!S_ISREG(status.st_mode) && !await_input(file.get(), deadline)) return fail(ETIME);
        const ssize_t received = ::read(file.get(), piece.data(), piece.size());
        if (received == 0) return text;
        if (received < 0 && errno != EINTR && errno != EAGAIN) return fail(errno);
        if (received > 0) text.append(piece.data(), static_cast<std::size_t>(received));
        if (text.size() > limits.size) return fail(EFBIG);
    }
}

std::string reason_of(const std::error_code& read_error) {
    if (read_error == std::errc::stream_timeout) return "nobody wrote its end in time";
    return read_error.message();
}

}  // namespace bullpen
