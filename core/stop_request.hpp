/// What bullpen::stop() writes to.
#pragma once

#include <bullpen/unique_fd.hpp>

namespace bullpen {

/// Made before the first fork, in the process that becomes the keeper. Its children keep the descriptor,
/// which is readable from the first stop() on; programs don't. There is one at a time.
class StopRequest {
public:
    StopRequest();
    ~StopRequest();
    StopRequest(const StopRequest&) = delete;
    StopRequest& operator=(const StopRequest&) = delete;

    [[nodiscard]] int fd() const noexcept { return wanted_.get(); }

private:
    UniqueFd wanted_;
};

/// The descriptor of the StopRequest that is there, or -1.
int stop_request_descriptor() noexcept;

/// In a process that is no part of the server any more: closes it.
void forget_stop_request() noexcept;

}  // namespace bullpen
