#include "core/thread.hpp"

#include <memory>
#include <system_error>
#include <utility>

namespace bullpen {
namespace {

thread_local bool is_of_ours = false;

extern "C" void* run_thread(void* body) {
    is_of_ours = true;
    const std::unique_ptr<std::function<void()>> owned{static_cast<std::function<void()>*>(body)};
    (*owned)();
    return nullptr;
}

}  // namespace

Thread::Thread(std::function<void()> body) {
    sigset_t blocked;
    ::sigfillset(&blocked);
    ::sigdelset(&blocked, SIGUSR2);
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack_size);
    ::pthread_attr_setsigmask_np(&attributes, &blocked);
    auto owned = std::make_unique<std::function<void()>>(std::move(body));
    const int error = ::pthread_create(&handle_, &attributes, run_thread, owned.get());
    ::pthread_attr_destroy(&attributes);
    if (error != 0) throw std::system_error{error, std::generic_category(), "cannot start a thread"};
    (void)owned.release();
    runs_ = true;
}

void Thread::join() noexcept {
    if (std::exchange(runs_, false)) ::pthread_join(handle_, nullptr);
}

void Thread::interrupt() const noexcept {
    if (runs_) ::pthread_kill(handle_, SIGUSR2);
}

void Thread::unblock_signals_of_child() noexcept {
    sigset_t none;
    ::sigemptyset(&none);
    if (is_of_ours) ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

BlockedOrders::BlockedOrders() noexcept {
    sigset_t orders;
    ::sigemptyset(&orders);
    ::sigaddset(&orders, SIGTERM);
    ::sigaddset(&orders, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &orders, &before_);
}

BlockedOrders::~BlockedOrders() {
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void make_threads_interruptible() noexcept {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR2, &action, nullptr);
}

}  // namespace bullpen
