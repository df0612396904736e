#include <bullpen/detail/connection_failure.hpp>

#include <cerrno>

namespace bullpen {
namespace {

bool says_client_gone(int error) noexcept {
    return error == ECONNRESET || error == EPIPE || error == ENOTCONN || error == ETIMEDOUT ||
           error == EHOSTUNREACH || error == ENETUNREACH;
}

}  // namespace

void ConnectionFailure::fail(int error, const char* what) {
    if (!says_client_gone(error)) throw std::system_error{error, std::generic_category(), what};
    client_gone_ = true;
    throw ClientGone{error, std::generic_category(), what};
}

void ConnectionFailure::time_out(Limit limit, const char* what) {
    exceeded_ = limit;
    throw TimedOut{what};
}

}  // namespace bullpen
