/// A handler that fails in every way, on purpose: "throw", "abort", "exit" or "hang" on a line.
///
/// To learn: what a bug costs. It takes the client that met it and, but for an exception, the worker, which
/// is replaced; nobody else notices. The log has the worker's number, its end and the request, and
/// bullpen_worker_exits_total counts it. "flaky" crashes before it takes its bytes, and only once: another
/// worker gets the client (retry_crashed), who doesn't notice either.
///
///     crash 127.0.0.1:7004 /tmp/crashed_once
#include <fcntl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <bullpen/serve.hpp>

namespace {

/// True for the first worker that asks.
bool is_first(const std::string& file) {
    return bullpen::UniqueFd{::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)}.get() >= 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: crash HOST:PORT FILE\n";
        return 2;
    }
    bullpen::Options options;
    options.listen = {argv[1]};
    options.retry_crashed = 1;
    options.request_timeout = std::chrono::seconds{1};  // What hangs for longer is told to end,
    options.request_grace = std::chrono::seconds{1};    // and a second later it is killed.
    return bullpen::serve(options, [file = std::string{argv[2]}](bullpen::Connection& client) {
        std::array<std::byte, 100> buffer;
        const auto peeked = client.peek(buffer, {});
        if (!peeked) return bullpen::Next::await_input;
        const std::string text{reinterpret_cast<const char*>(buffer.data()), peeked->size};
        const std::string_view wish = std::string_view{text}.substr(0, text.find('\n'));
        client.begin_request(wish);  // For the log.
        if (wish == "flaky" && is_first(file)) std::abort();
        client.take(std::span{buffer}.first(peeked->size));
        if (wish == "throw") throw std::runtime_error{"thrown on purpose"};
        if (wish == "abort") std::abort();
        if (wish == "exit") std::exit(1);
        if (wish == "hang")
            for (;;)
                std::this_thread::sleep_for(std::chrono::hours{1});
        client.write_last("all is well\n");
        return bullpen::Next::close;
    });
}
