/// One of the load client's places from which connections are made, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <bullpen/unique_fd.hpp>
#include "servers/bench/load/dialogue.hpp"

namespace bullpen {

enum class Doing {
    nothing,       ///< In an open loop its connection may be open, and rests.
    asking,        ///< From the request to the last byte of its answer.
    thinking,      ///< Until the connection's next request.
    awaiting_end,  ///< All is said: the server is to close.
};

struct Caller {
    UniqueFd socket;
    std::unique_ptr<AnswerReader> answer;
    const Dialogue* dialogue = nullptr;
    std::size_t result_class = 0;
    std::string_view unsent;
    std::uint32_t watched = 0;   ///< What epoll looks for; 0: it does not know the socket yet.
    std::uint64_t begun_ns = 0;  ///< The present request.
    std::uint64_t idle_since_ns = 0;
    std::uint64_t connects = 0;
    long requests_left = 0;  ///< On this connection, the present one included.
    bool reused = false;     ///< A request was answered on this connection before.
    Doing doing = Doing::nothing;
};

}  // namespace bullpen
