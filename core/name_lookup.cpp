#include "core/name_lookup.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"
#include "core/process_title.hpp"
#include "core/start_wait.hpp"

namespace bullpen {
namespace {

static_assert(std::is_trivially_copyable_v<Address>, "the looking process writes them to a pipe");

LookedUp ask(const std::string& host, const std::string& port, int type, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = type;
    hints.ai_flags = AI_PASSIVE | flags;
    addrinfo* raw = nullptr;
    LookedUp result;
    result.error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &raw);
    if (result.error != 0) return result;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found{raw, ::freeaddrinfo};
    for (const addrinfo* one = found.get(); one != nullptr; one = one->ai_next)
        result.addresses.push_back(Address{one->ai_addr, one->ai_addrlen}.with_type(type));
    return result;
}

/// What a pipe takes in one piece, or in several while its reader lives.
void write_whole(int pipe, const void* data, std::size_t size) noexcept {
    const char* next = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t written = ::write(pipe, next, size);
        if (written <= 0) return;
        next += written;
        size -= static_cast<std::size_t>(written);
    }
}

/// The process that asks; ended with this object.
class Asker {
public:
    Asker(const std::string& host, const std::string& port, int type) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0)
            throw std::system_error{errno, std::generic_category(), "cannot look up a name"};
        answer_ = UniqueFd{ends[0]};
        const UniqueFd theirs{ends[1]};
        const pid_t parent = ::getpid();
        pid_ = spawn_child([&] {
            close_all_except(std::array{theirs.get()});
            set_process_title("bullpen: name lookup");
            if (!die_with_parent(SIGKILL, parent)) return 1;
            const LookedUp found = ask(host, port, type, 0);
            write_whole(theirs.get(), &found.error, sizeof found.error);
            write_whole(theirs.get(), found.addresses.data(), found.addresses.size() * sizeof(Address));
            return 0;
        });
        if (!pid_) throw std::system_error{errno, std::generic_category(), "cannot look up a name"};
    }
    ~Asker() {
        if (!pid_) return;
        ::kill(*pid_, SIGKILL);
        while (::waitpid(*pid_, nullptr, 0) < 0 && errno == EINTR)
            continue;
    }
    Asker(const Asker&) = delete;
    Asker& operator=(const Asker&) = delete;

    LookedUp await_answer(TimePoint deadline) {
        std::string bytes;
        for (std::array<char, 4096> piece;;) {
            if (!await_input(answer_.get(), deadline)) return {.overdue = true};
            const ssize_t size = ::read(answer_.get(), piece.data(), piece.size());
            if (size < 0 && errno == EINTR) continue;
            if (size <= 0) break;
            bytes.append(piece.data(), static_cast<std::size_t>(size));
        }
        LookedUp result{.error = EAI_FAIL};  // It has died.
        if (bytes.size() < sizeof result.error) return result;
        std::memcpy(&result.error, bytes.data(), sizeof result.error);
        for (std::size_t at = sizeof result.error; at + sizeof(Address) <= bytes.size();
             at += sizeof(Address)) {
            Address& address = result.addresses.emplace_back();
            std::memcpy(static_cast<void*>(&address), bytes.data() + at, sizeof address);
        }
        return result;
    }

private:
    UniqueFd answer_;
    std::optional<pid_t> pid_;
};

}  // namespace

LookedUp look_up(const std::string& host, const std::string& port, int type,
                 std::chrono::milliseconds patience) {
    LookedUp numeric = ask(host, port, type, AI_NUMERICHOST | AI_NUMERICSERV);
    if (numeric.error != EAI_NONAME) return numeric;
    return Asker{host, port, type}.await_answer(Clock::now() + patience);
}

}  // namespace bullpen
