#include "core/served_connection.hpp"

#include <sys/stat.h>

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

bool ServedConnection::wait_here(Await what) {
    return connection_.wait_.wait_here(connection_.socket_, what);
}

void ServedConnection::tidy() noexcept {
    connection_.socket_.set_nonblocking(false);
    if (connection_.is_corked_ || connection_.more_follows_) connection_.cork(false);
}

}  // namespace bullpen
