#include "servers/bench/report/full_buffer_text.hpp"

namespace bullpen {

std::string explain_full_buffers() {
    return "A trial of a full receive buffer (64 KiB each way): up to 10,000 messages of 128 bytes are sent "
           "and "
           "nobody reads. Taken: by the kernel; received: once somebody reads. Before it messages of 3 and 5 "
           "bytes are sent and then read.";
}

std::string no_room_text(const FullBuffer& found) {
    return found.would_block ? "EAGAIN" : "–";
}

std::string waiting_text(const FullBuffer& found) {
    return found.waits ? "is held" : "isn't held";
}

std::string first_read_text(const FullBuffer& found) {
    constexpr std::int64_t both = 8;
    return found.first_read == both ? "in one read" : "in two";
}

}  // namespace bullpen
