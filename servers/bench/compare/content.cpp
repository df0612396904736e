#include "servers/bench/compare/content.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <bullpen/connection.hpp>
#include "servers/bench/compare/measured_server.hpp"
#include "servers/bench/load/dialogue.hpp"
#include "servers/models/models.hpp"

namespace bullpen {
namespace {

constexpr const char* small_file = "/file.txt";

void write_small_file(const std::filesystem::path& directory, int size) {
    const std::string path = directory.string() + small_file;
    std::ofstream file{path};
    const std::string line = "The relief pitchers are already warm when the call comes.\n";
    for (int left = size; left > 0; left -= static_cast<int>(line.size()))
        file.write(line.data(), std::min(left, static_cast<int>(line.size())));
    if (!file.flush()) throw std::system_error{errno, std::generic_category(), "cannot write " + path};
}

}  // namespace

Content::Content(int small_file_size) : temporary_{std::in_place}, root_{temporary_->path().string()} {
    write_small_file(temporary_->path(), small_file_size);
}

std::string Content::default_path() const {
    return temporary_ ? small_file : "/";
}

std::uint64_t ask_for_size(const std::string& path, const Handler& handler) {
    PoolOptions pool;
    pool.listen = {"127.0.0.1:0"};
    pool.design = iterative;
    pool.handler = handler;
    MeasuredServer server{{.pool = std::move(pool)}};
    const Address& address = server.address();
    UniqueFd socket{::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket || ::connect(socket.get(), address.data(), address.size()) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot connect to " + address.text()};
    Connection connection{std::move(socket)};
    connection.set_socket_timeouts();
    connection.write_all(http_dialogue(address.text(), path, {}).last_request);

    HttpAnswerReader answer;
    AnswerState state = AnswerState::incomplete;
    std::vector<std::byte> buffer(64 * 1024);
    while (state == AnswerState::incomplete) {
        const std::size_t size = connection.read_some(buffer);
        state = size == 0 ? answer.end() : answer.take({reinterpret_cast<const char*>(buffer.data()), size});
        if (size == 0) break;
    }
    server.stop();
    if (state == AnswerState::complete) return answer.body_size();
    throw std::invalid_argument{"--path: GET " + path + " is answered with " +
                                (answer.status() == 0 ? "nothing useful" : std::to_string(answer.status())) +
                                ", expected 200"};
}

}  // namespace bullpen
