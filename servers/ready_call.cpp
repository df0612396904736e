#include "servers/ready_call.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "core/log.hpp"
#include "core/process.hpp"
#include "core/process_title.hpp"

namespace bullpen {

void call_on_ready(const std::function<void(const BoundAddresses&)>& on_ready,
                   const BoundAddresses& addresses, const std::vector<int>& kept) noexcept {
    const pid_t keeper = ::getppid();
    const auto live = [&] {
        close_all_except(kept);
        set_process_title("bullpen: on_ready");
        if (!die_with_parent(SIGKILL, keeper)) return 1;
        unblock_signals();
        try {
            on_ready(addresses);
        } catch (const std::exception& error) {
            log(LogLevel::error, "on_ready threw: " + std::string{error.what()});
        } catch (...) {
            log(LogLevel::error, "on_ready threw a non-std exception");
        }
        std::fflush(stdout);
        return 0;
    };
    pid_t pid = 0;
    if (!spawn_sibling(live, pid))
        log(LogLevel::error, std::string{"on_ready can't be called: "} + std::strerror(errno));
}

}  // namespace bullpen
