#include "servers/inetd/services_file.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace bullpen {

std::optional<std::uint16_t> port_in_services_file(const std::string& name, const char* protocol) {
    constexpr std::size_t buffer_max = 1 << 20;
    std::vector<char> buffer(1024);
    servent entry{};
    servent* found = nullptr;
    while (::getservbyname_r(name.c_str(), protocol, &entry, buffer.data(), buffer.size(), &found) ==
               ERANGE &&
           buffer.size() < buffer_max)
        buffer.resize(2 * buffer.size());
    if (found == nullptr) return std::nullopt;
    return ntohs(static_cast<std::uint16_t>(found->s_port));
}

}  // namespace bullpen
