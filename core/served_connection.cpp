#include "core/served_connection.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <utility>

namespace bullpen {
namespace {

FileId identity_of(int file) noexcept {
    struct stat about {};
    if (::fstat(file, &about) != 0) return {};
    return {.device = about.st_dev, .inode = about.st_ino};
}

}  // namespace

ServedConnection::ServedConnection(UniqueFd socket, ServerView server) noexcept
    : connection_{std::move(socket), server} {}

/// A connection that was parked within a request, or for output, has been served before.
void ServedConnection::go_on_from(const Resumption& resumption, UniqueFd file) noexcept {
    const Parking& parking = resumption.parking;
    connection_.state_ = resumption.state;
    if (file) file_before_ = identity_of(file.get());
    connection_.file_ = std::move(file);
    connection_.wait_.parking() = parking;
    if (parking.what == Await::output || parking.limit != Limit::idle) connection_.socket_.set_exchanged();
}

bool ServedConnection::has_file_from_before() const noexcept {
    return file_before_ != FileId{} && identity_of(connection_.file_.get()) == file_before_;
}

bool ServedConnection::may_be_given_back() const noexcept {
    const bool file_may = !connection_.file_ || connection_.wait_.server().parks_files;
    return connection_.can_be_parked() && !connection_.has_unread() && file_may;
}

SpinningHandler::SpinningHandler()
    : std::logic_error{
          "handler returned Next::await_input 16 times in a row and took nothing of what its "
          "client has sent: take it with read_some() or take(), or wait for more of it with "
          "peek(buffer, patience, beyond), or return Next::close"} {}

void ServedConnection::check_progress() {
    constexpr std::uint8_t idle_turns_max = 16;
    std::uint8_t& idle_turns = parking().idle_turns;
    const bool idle = is_idle_turn();
    connection_.socket_.forget_taking();
    connection_.wait_.forget_looking();
    if (!idle)
        idle_turns = 0;
    else if (++idle_turns >= idle_turns_max)
        throw SpinningHandler{};
}

bool ServedConnection::is_idle_turn() const noexcept {
    const ClientSocket& socket = connection_.socket_;
    if (socket.has_taken() || connection_.wait_.has_seen_all()) return false;
    return socket.bytes_there() >= connection_.wait_.parking().input_at_least || socket.has_ended();
}

bool ServedConnection::wait_here(Await what) {
    return connection_.wait_.wait_here(connection_.socket_, what);
}

void ServedConnection::tidy() noexcept {
    connection_.socket_.set_nonblocking(false);
    if (connection_.is_corked_ || connection_.more_follows_) connection_.cork(false);
}

}  // namespace bullpen
