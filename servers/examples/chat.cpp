/// A chat: what one client says, the others read.
///
/// To learn: in the asynchronous form one thread has all clients, so that they may share what they know
/// without locks. Each says what it has by the others' senders, which never wait: a client that doesn't read
/// has at most send_queue_max() bytes waiting, loses what comes then, and is closed after the write limit;
/// the others notice nothing.
///
///     chat 127.0.0.1:7000 [SECONDS]
#include <array>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <bullpen/async_connection.hpp>
#include <bullpen/serve.hpp>

namespace {

using Senders = std::list<bullpen::AsyncConnection::Sender>;

/// A client in the room, for as long as this lives.
class Seat {
public:
    Seat(Senders& room, bullpen::AsyncConnection& client)
        : room_{room}, place_{room.insert(room.end(), client.sender())} {}
    ~Seat() { room_.erase(place_); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    void tell_others(std::string_view line) const {
        const auto text = std::make_shared<const std::string>(line);  // One copy for all.
        for (auto other = room_.begin(); other != room_.end(); ++other)
            if (other != place_) other->send(text);
    }

private:
    Senders& room_;
    Senders::iterator place_;
};

boost::asio::awaitable<void> chat(bullpen::AsyncConnection& client, Senders& room) {
    const Seat seat{room, client};
    std::array<std::byte, 4096> buffer;
    std::string said;
    for (;;) {
        const auto size = co_await client.read_next(buffer, std::chrono::hours{1});
        if (size.value_or(0) == 0) break;  // It has left, or the server stops.
        said.append(reinterpret_cast<const char*>(buffer.data()), *size);
        for (std::size_t end; (end = said.find('\n')) != std::string::npos; said.erase(0, end + 1))
            seat.tell_others(std::string_view{said}.substr(0, end + 1));
        if (said.size() > buffer.size()) co_return;  // Nobody talks that long.
    }
    co_await client.flush();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: chat HOST:PORT [SECONDS]\n";
        return 2;
    }
    bullpen::Options options;
    options.listen = {argv[1]};
    options.model = "event";  // One process, one thread: whoever is connected is here.
    if (argc > 2) options.time_limits.write = std::chrono::seconds{std::stoi(argv[2])};
    Senders room;
    return bullpen::serve(options, [&room](bullpen::AsyncConnection& client) { return chat(client, room); });
}
