/// For tests: a handler that does what its clients say, so that a test can put a connection into any state.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <bullpen/connection.hpp>
#include <bullpen/handler.hpp>
#include "tests/pool/running_master.hpp"

namespace bullpen::obedient {

inline constexpr std::size_t large = 8'000'000;

/// What the command w sends: so large that no socket holds it.
inline std::string large_content() {
    std::string bytes(large, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<char>('a' + (i * 7 + i / 1009) % 26);
    return bytes;
}

/// To be checked by itself: nobody wants to see such a comparison fail.
inline bool is_large_content(const std::string& got) {
    return got == large_content();
}

inline UniqueFd file_with(std::string_view content) {
    UniqueFd file{::memfd_create("test", MFD_CLOEXEC)};
    (void)!::write(file.get(), content.data(), content.size());
    return file;
}

constexpr std::byte sending{'w'};  ///< The state's last byte while a large file is being sent.

/// As the handlers of services do: as much as the client takes, the offset in the state.
inline Next send_large(Connection& client) {
    std::size_t offset = 0;
    std::memcpy(&offset, client.state().data(), sizeof offset);
    while (offset < large) {
        const std::size_t size =
            client.send_file_some(client.file().get(), static_cast<off_t>(offset), large - offset);
        offset += size;
        std::memcpy(client.state().data(), &offset, sizeof offset);
        if (size > 0 && !client.pool_has_no_spare()) continue;
        client.wait_at_most({Limit::write});
        return Next::await_output;
    }
    return Next::close;
}

/// One byte, one command, each answered; the connection is parked in between:
/// p  the worker's pid and a newline
/// s  fills the state            g  the state's 64 bytes
/// f  a file, to be kept         r  the file's content, or - if there is none
/// h  stays with the client until that says something more
/// H  parks it as in the middle of a head
/// w  a large file, then the end
/// c  closes it
inline Next obey(Connection& client) {
    if (client.state().back() == sending) return send_large(client);
    for (;;) {
        std::array<std::byte, 1> command;
        const auto peeked = client.peek(command, {});
        if (!peeked) return Next::await_input;
        if (peeked->size == 0) return Next::close;
        client.take(command);
        switch (static_cast<char>(command[0])) {
            case 'p': client.write_all(std::to_string(::getpid()) + "\n"); break;
            case 's':
                for (std::size_t i = 0; i < client.state().size(); ++i)
                    client.state()[i] = static_cast<std::byte>(i + 1);
                client.write_all("s");
                break;
            case 'g': client.write_all(client.state()); break;
            case 'f':
                client.file() = file_with("kept");
                client.write_all("f");
                break;
            case 'r': {
                std::array<char, 8> content{'-'};
                (void)!::pread(client.file().get(), content.data(), content.size(), 0);
                client.write_all(content.data());
                break;
            }
            case 'h':
                client.write_all("h");
                (void)client.read_some(command);
                break;
            case 'H':
                client.write_all("H");
                client.wait_at_most({Limit::header});
                return Next::await_input;
            case 'w':
                client.file() = file_with(large_content());
                client.state() = {};
                client.state().back() = sending;
                return send_large(client);
            default: return Next::close;
        }
    }
}

/// A pool of so many workers that obey. Who waits for a next command does so for 5 ms at most.
inline PoolOptions pool_that_obeys(int workers, const Model& model = handing_off) {
    PoolOptions pool = pool_of(workers, obey, model);
    pool.await_next = std::chrono::milliseconds{5};
    pool.parks_files = true;
    return pool;
}

/// What is answered to a command, of which the length is known.
inline std::string answer_to(const UniqueFd& client, std::string_view command, std::size_t length = 1) {
    (void)::send(client.get(), command.data(), command.size(), MSG_NOSIGNAL);
    std::string answer(length, '\0');
    const ssize_t size = ::recv(client.get(), answer.data(), length, MSG_WAITALL);
    answer.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return answer;
}

inline pid_t server_of(const UniqueFd& client) {
    (void)::send(client.get(), "p", 1, MSG_NOSIGNAL);
    std::string name;
    for (char byte = 0; ::recv(client.get(), &byte, 1, 0) == 1 && byte != '\n';)
        name += byte;
    return name.empty() ? 0 : std::stoi(name);
}

inline bool is_parked(const RunningMaster& master, std::uint64_t clients = 1) {
    return eventually([&] { return master.totals().parked == clients && at_rest(master.totals()); });
}

/// Nothing is under way, and every connection is accounted for.
inline bool law_holds(const RunningMaster& master) {
    return eventually([&] {
        const PoolTotals sum = master.totals();
        return at_rest(sum) && sum.unaccounted() == 0;
    });
}

inline std::uint64_t handoffs(const RunningMaster& master) {
    return master.board().header().handoffs;
}
inline std::uint64_t timed_out(const RunningMaster& master, Limit limit) {
    return master.totals().timed_out[static_cast<std::size_t>(limit)];
}
inline std::uint64_t refused(const RunningMaster& master, Refusal why) {
    return master.board().header().refused[static_cast<std::size_t>(why)];
}
inline std::uint64_t ended(const RunningMaster& master, ExitReason why) {
    return master.board().header().exits[static_cast<std::size_t>(why)];
}

inline std::size_t descriptors_of(pid_t pid) {
    std::filesystem::directory_iterator listing{"/proc/" + std::to_string(pid) + "/fd"};
    return static_cast<std::size_t>(std::distance(begin(listing), end(listing)));
}

/// Processor time that a process has used, in clock ticks.
inline long cpu_ticks(pid_t pid) {
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    std::getline(stat, text);
    std::istringstream fields{text.substr(text.rfind(')') + 1)};
    std::string skipped;
    for (int i = 0; i < 11; ++i)
        fields >> skipped;
    long user = 0;
    long system = 0;
    fields >> user >> system;
    return user + system;
}

/// Whether a process rests though it may have reasons to look again and again.
inline bool does_not_spin(pid_t pid) {
    const long before = cpu_ticks(pid);
    ::usleep(300'000);  // What is measured is the time that is used in it.
    return cpu_ticks(pid) - before < ::sysconf(_SC_CLK_TCK) / 10;
}

inline void stand_still(pid_t pid) {
    ::kill(pid, SIGSTOP);
    eventually([&] { return is_stopped(pid); });
}

}  // namespace bullpen::obedient
