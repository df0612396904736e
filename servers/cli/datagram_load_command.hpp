/// `bullpen load udp://HOST:PORT`: the load client for datagrams.
#pragma once

#include <string>
#include <string_view>

#include "servers/bench/load/datagram_load.hpp"
#include "servers/cli/load_command.hpp"

namespace bullpen {

/// udp://HOST:PORT or unixgram:/path.
[[nodiscard]] bool is_datagram_url(std::string_view url) noexcept;

/// What the arguments mean, but for keep_going. Throws std::invalid_argument, one sentence, of a flag that
/// goes with connections alone, too.
DatagramLoadOptions datagram_load_options_from(const LoadArguments& arguments);

/// A load of datagrams, over.
struct DatagramLoadReport {
    std::string url;
    const DatagramLoadOptions& options;
    const DatagramLoadResult& result;
    bool interrupted = false;
    bool gave_up = false;  ///< Because nothing was answered.
};

/// For a terminal: lines of at most 80 columns.
std::string render_datagram_load(const DatagramLoadReport& report);

/// One JSON object and a line feed. Its fields are listed in `bullpen load --help`.
std::string datagram_load_to_json(const DatagramLoadReport& report);

/// As run_load_command().
int run_datagram_load_command(const LoadArguments& arguments);

}  // namespace bullpen
