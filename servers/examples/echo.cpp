/// Echo (RFC 862): sends back what it is sent.
///
/// To learn: a handler is a plain function that may block, for it runs in a process with one client at a
/// time.
///
///     echo 127.0.0.1:7000
#include <array>
#include <cstddef>
#include <iostream>
#include <span>

#include <bullpen/serve.hpp>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: echo HOST:PORT\n";
        return 2;
    }
    bullpen::Options options;
    options.listen = {argv[1]};
    options.handoff_when = bullpen::HandoffWhen::readable;  // A silent client takes no worker.
    return bullpen::serve(options, [](bullpen::Connection& client) {
        std::array<std::byte, 4096> buffer;
        while (const std::size_t size =
                   client.read_some(buffer))  // What fails throws, and ends this client alone.
            client.write_all(std::span{buffer}.first(size));
    });
}
