/// Two pools under one master: many workers for everybody, one for the operator.
///
/// To learn: pools share nothing but the master. When all workers of the first are busy, or crash, the second
/// answers.
///
///     two_pools 127.0.0.1:7002 unix:/tmp/two_pools
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include <bullpen/messages.hpp>
#include <bullpen/orders.hpp>
#include <bullpen/server.hpp>

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: two_pools HOST:PORT unix:PATH\n";
        return 2;
    }
    bullpen::Options everybody;
    everybody.name = "everybody";
    everybody.listen = {argv[1]};
    everybody.limits.workers_max = 8;
    bullpen::Options operators;
    operators.name = "operator";
    operators.listen = {argv[2]};
    operators.listen_options.unix_mode = 0600;
    operators.limits = {.policy = bullpen::SizingPolicy::fixed, .workers_start = 1, .workers_max = 1};
    return bullpen::Server{}
        .add(everybody, bullpen::by_lines([](bullpen::Connection& client, std::string_view line) {
                 if (line == "crash") std::abort();  // Takes this client and its worker, and nobody else.
                 client.write_all("you said " + std::string{line} + "\n");
             }))
        .add(operators, bullpen::by_lines([](bullpen::Connection& client, std::string_view line) {
                 if (line == "stop") bullpen::stop();
                 client.write_all(line == "stop" ? "stopping\n" : "expected: stop\n");
             }))
        .run();
}
