#include "core/read_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/unique_fd.hpp"

namespace bullpen {

std::string read_file(const std::string& path) {
    std::error_code error;
    std::string text = read_file(path, error);
    if (error) throw std::system_error{error, "cannot read " + path};
    return text;
}

std::string read_file(const std::string& path, std::error_code& error) {
    error.clear();
    std::string text;
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    std::array<char, 16 * 1024> piece;
    for (;;) {
        const ssize_t received = file ? ::read(file.get(), piece.data(), piece.size()) : -1;
        if (received > 0) {
            text.append(piece.data(), static_cast<std::size_t>(received));
        } else if (received == 0) {
            return text;
        } else if (!file || errno != EINTR) {
            error = {errno, std::generic_category()};
            return {};
        }
    }
}

}  // namespace bullpen
