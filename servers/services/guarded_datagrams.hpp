/// Answers to datagrams that nobody can turn against others: the sender's address may be forged.
#pragma once

#include <bullpen/datagram_handler.hpp>
#include "servers/services/service.hpp"

namespace bullpen {

/// No answer goes to the port of another service (below 1024, 2049, or the one that was asked), which might
/// answer for ever (CVE-1999-0103). One that is longer than its question is given to each source 4 times a
/// second at most. The others are refused. The handler is for one worker.
DatagramHandler guarded(DatagramAnswer answer);

}  // namespace bullpen
