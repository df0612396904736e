#include "pool/accept_lock.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace bullpen {
namespace {

pthread_mutex_t* make_shared_mutex() {
    void* memory =
        ::mmap(nullptr, sizeof(pthread_mutex_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error{errno, std::generic_category(), "the accept lock"};
    auto* mutex = static_cast<pthread_mutex_t*>(memory);
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    ::pthread_mutex_init(mutex, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
    return mutex;
}

}  // namespace

AcceptLock::AcceptLock(AcceptLockKind kind) {
    if (kind == AcceptLockKind::mutex) {
        mutex_ = make_shared_mutex();
        return;
    }
    file_ = UniqueFd{::memfd_create("bullpen-accept-lock", MFD_CLOEXEC)};
    if (!file_) throw std::system_error{errno, std::generic_category(), "the accept lock"};
}

AcceptLock::~AcceptLock() {
    if (mutex_ != nullptr) ::munmap(mutex_, sizeof *mutex_);
}

AcceptLock::Turn AcceptLock::take_turn(const std::function<bool()>& leaving) {
    while (!leaving())
        if (wait_for_it() == Locked::yes) return Turn{*this};
    return {};
}

AcceptLock::Locked AcceptLock::wait_for_it() noexcept {
    if (mutex_ == nullptr) return set_file_lock(F_SETLKW, F_WRLCK) ? Locked::yes : Locked::not_yet;
    const int error = ::pthread_mutex_lock(mutex_);
    if (error == EOWNERDEAD)
        ::pthread_mutex_consistent(mutex_);  // It guards no data that could be half written.
    return error == 0 || error == EOWNERDEAD ? Locked::yes : Locked::not_yet;
}

void AcceptLock::unlock() noexcept {
    if (mutex_ != nullptr)
        ::pthread_mutex_unlock(mutex_);
    else
        (void)set_file_lock(F_SETLK, F_UNLCK);
}

/// A record lock belongs to the process, not to the file description that all workers have inherited.
bool AcceptLock::set_file_lock(int command, short type) const noexcept {
    struct flock whole {};
    whole.l_type = type;
    whole.l_whence = SEEK_SET;
    return ::fcntl(file_.get(), command, &whole) == 0;
}

}  // namespace bullpen
