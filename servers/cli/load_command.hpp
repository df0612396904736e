/// `bullpen load URL`: the load client by itself.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "servers/bench/load/load.hpp"

namespace CLI {
class App;
}

namespace bullpen {

constexpr long load_size_most = 64L << 20;  ///< Bytes of a message.

/// As given on the command line, each in its range; 0 and empty: not given, unless said otherwise.
struct LoadArguments {
    std::string url;
    std::string unix_socket;  ///< http: where to connect to, instead of the URL's host.
    std::string source;       ///< The IP address to come from.
    long concurrency = 16;    ///< Connections at once.
    long idle = 0;            ///< More connections, answered once and then kept silently.
    long connections = 0;     ///< In total.
    long requests = 0;        ///< In total.
    double duration = 0;      ///< Seconds; 10 where neither connections nor requests are given.
    double rate = 0;          ///< Requests a second: an open loop.
    std::string arrivals = "even";
    std::optional<long> seed = {};
    std::string keep_alive = {};  ///< Requests a connection; "true": --keep-alive without a number.
    double think_time = 0;        ///< Milliseconds.
    std::string slow_send = {};   ///< BYTES/MS
    std::string method = {};
    std::vector<std::string> headers = {};
    std::string request_file = {};
    std::string message = {};
    long size = 0;  ///< Bytes of a message that is made up.
    std::string expect = {};
    double timeout = 10;  ///< Seconds.
    long attempts = 0;    ///< Datagrams: how often a question is sent at most; 8 where it isn't given.
    double warm_up = 0;   ///< Seconds.
    std::string json_file = {};
};

/// What the arguments mean, but for keep_going and report. Reads the request file, looks up the host. Throws
/// std::invalid_argument or std::system_error, one sentence.
LoadOptions load_options_from(const LoadArguments& arguments);

/// Prints the report on stdout. The exit status: 0, 1 (there were errors, or no answer) or 130 (interrupted;
/// what there is is shown). Throws what load_options_from does, before anything is sent.
int run_load_command(const LoadArguments& arguments);

/// Declares the command and its flags; once it is given, `chosen` runs it.
void declare_load(CLI::App& program, std::function<int()>& chosen);

}  // namespace bullpen
