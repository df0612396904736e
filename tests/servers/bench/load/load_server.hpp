/// A server for the tests of the load client.
#pragma once

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

#include <bullpen/connection.hpp>
#include "core/listener.hpp"
#include "core/process.hpp"
#include "core/resolve.hpp"
#include "servers/bench/load/load.hpp"

namespace bullpen {

/// A process that serves one connection after the other until it is killed.
class ServerProcess {
public:
    explicit ServerProcess(const std::function<void(Connection&)>& handler)
        : listener_{Listener::open(resolve("127.0.0.1:0").front(), {})} {
        const pid_t maker = ::getpid();
        pid_ = spawn_child([&] {
            if (!die_with_parent(SIGKILL, maker)) return 1;
            unblock_signals();
            for (;;) {
                Connection client{UniqueFd{::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC)}};
                try {
                    handler(client);
                } catch (const ClientGone&) {
                }
            }
            return 0;
        });
    }
    ~ServerProcess() {
        ::kill(*pid_, SIGKILL);
        ::waitpid(*pid_, nullptr, 0);
    }

    LoadOptions load(const Dialogue& dialogue, long connections, int concurrency = 1,
                     int requests = 1) const {
        LoadOptions options;
        options.server = listener_.address();
        options.classes = {{.dialogue = dialogue}};
        options.connections = connections;
        options.concurrency = concurrency;
        options.requests_per_connection = requests;
        options.time_limit = std::chrono::seconds{20};
        return options;
    }

private:
    Listener listener_;
    std::optional<pid_t> pid_;
};

/// Empty at the end.
inline std::string read_head(Connection& client) {
    std::array<std::byte, 1> byte;
    std::string request;
    while (client.read_some(byte) > 0) {
        request += static_cast<char>(byte[0]);
        if (request.ends_with("\r\n\r\n")) return request;
    }
    return "";
}

inline bool read_request(Connection& client) {
    return !read_head(client).empty();
}

inline const std::string hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

inline void answer_each(Connection& client) {
    while (read_request(client))
        client.write_all(hello);
}

inline void answer_once(Connection& client) {
    if (read_request(client)) client.write_all(hello);
}

inline Dialogue http(std::optional<std::uint64_t> size = 5) {
    return http_dialogue("localhost", "/", size);
}

}  // namespace bullpen
