#include "pool/forked_child.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "core/thread.hpp"

namespace bullpen {
namespace {

struct Pages {
    void* begin = nullptr;
    std::size_t size = 0;
};

struct Action {
    int signal = 0;
    struct sigaction taken {};
};

/// What a child must lose; it finds the list in its copy of this object.
struct Belongings {
    std::vector<int> descriptors;
    std::vector<Pages> pages;
    std::vector<Action> actions;
    std::vector<std::function<void()>> last;
    bool watched = false;
    bool lost = false;  ///< This process is a child.
};
Belongings belongings;

/// Runs in the child before fork() returns there. Clears the lists, because the child may later open its own
/// descriptors with the same numbers, which its own children should keep.
void lose_everything() {
    for (const Action& action : belongings.actions) {
        struct sigaction now {};
        ::sigaction(action.signal, nullptr, &now);
        if (now.sa_handler != action.taken.sa_handler) continue;
        now = {};
        now.sa_handler = SIG_DFL;
        ::sigaction(action.signal, &now, nullptr);
    }
    for (const Pages& pages : belongings.pages)
        ::mmap(pages.begin, pages.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0);
    for (const auto& action : belongings.last)
        action();
    for (const int fd : belongings.descriptors)
        ::close(fd);
    Thread::unblock_signals_of_child();
    belongings.actions.clear();
    belongings.pages.clear();
    belongings.last.clear();
    belongings.descriptors.clear();
    belongings.lost = true;
}

Belongings& watched_belongings() {
    if (!std::exchange(belongings.watched, true)) ::pthread_atfork(nullptr, nullptr, lose_everything);
    return belongings;
}

}  // namespace

void keep_from_children(int fd) {
    if (fd >= 0) watched_belongings().descriptors.push_back(fd);
}

void keep_from_children(void* pages, std::size_t size) {
    ::madvise(pages, size, MADV_DONTFORK);  // For children made by clone(2), which run no fork handlers.
    watched_belongings().pages.push_back({pages, size});
}

void keep_action_from_children(int signal) {
    Action action{.signal = signal};
    ::sigaction(signal, nullptr, &action.taken);
    watched_belongings().actions.push_back(action);
}

void run_in_children(std::function<void()> action) {
    watched_belongings().last.push_back(std::move(action));
}

bool is_forked_child() noexcept {
    return belongings.lost;
}

void end_forked_child() noexcept {
    if (is_forked_child()) ::_exit(0);
}

}  // namespace bullpen
