/// Connecting to a server that may not be there yet.
#pragma once

#include <chrono>
#include <string>

#include <bullpen/unique_fd.hpp>

namespace bullpen {

struct ConnectRetry {
    std::chrono::milliseconds attempt{10'000};  ///< For one address to answer.
    std::chrono::milliseconds patience{
        0};  ///< For all of them together, from the first attempt on; 0: try once.
};

/// Connects to the first address of `address` (see resolve()) that answers, each attempt on a new socket.
/// While none does and the patience lasts, all are tried again after 100 ms, then after twice as long each
/// time, up to 10 s (APUE 16.4, connect_retry). The socket blocks. Throws AddressError, std::system_error:
/// the last attempt's, one sentence.
UniqueFd connect_with_retries(const std::string& address, const ConnectRetry& retry);

}  // namespace bullpen
