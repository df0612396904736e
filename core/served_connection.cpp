#include "core/served_connection.hpp"

#include <utility>

namespace bullpen {

ServedConnection::ServedConnection(UniqueFd socket, ServerView server) noexcept
    : connection_{std::move(socket), server} {}

/// A connection that was parked within a request, or for output, has been served before.
void ServedConnection::go_on_from(const ConnectionState& state, UniqueFd file,
                                  const Parking& parking) noexcept {
    connection_.state_ = state;
    connection_.file_ = std::move(file);
    connection_.wait_.parking() = parking;
    if (parking.what == Await::output || parking.limit != Limit::idle) connection_.socket_.set_touched();
}

bool ServedConnection::may_be_given_back() const noexcept {
    return connection_.can_be_parked() && !connection_.has_unread();
}

bool ServedConnection::wait_here(Await what) {
    return connection_.wait_.wait_here(connection_.socket_, what);
}

void ServedConnection::uncork() noexcept {
    if (connection_.is_corked_ || connection_.more_follows_) connection_.cork(false);
}

}  // namespace bullpen
