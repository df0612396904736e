#include "servers/exit_status.hpp"

#include <poll.h>
#include <unistd.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "core/printable.hpp"
#include "core/start_wait.hpp"
#include "core/write_now.hpp"
#include "pool/inheritance.hpp"

namespace bullpen {

int exit_status_of(const std::function<int()>& body, std::string_view who) noexcept {
    constexpr int could_not = 1;
    constexpr int wrong_usage = 2;
    try {
        return body();
    } catch (const StoppedAtStart& stop) {
        complain(stop.what(), who);
        return 0;
    } catch (const std::invalid_argument& error) {
        complain(error.what(), who);
        return wrong_usage;
    } catch (const std::bad_alloc&) {
        complain("there is not enough memory", who);
        return could_not;
    } catch (const std::exception& error) {
        complain(error.what(), who);
        return could_not;
    }
}

void complain(std::string_view sentence, std::string_view who) {
    tell_predecessor(sentence);
    constexpr int patience_ms = 1000;  // For a pipe whose reader is slow; then nobody reads it.
    pollfd writable{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    ::poll(&writable, 1, patience_ms);
    write_now(STDERR_FILENO, std::string{who} + ": " + printable(sentence) + "\n");
}

}  // namespace bullpen
