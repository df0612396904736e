#include "core/process_title.hpp"

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/process.hpp"
#include "core/read_file.hpp"

using namespace bullpen;

namespace {

bool holds_in_child(const std::function<bool()>& body) {
    const auto pid = spawn_child([&] { return body() ? 0 : 1; });
    int status = 1;
    return pid && ::waitpid(*pid, &status, 0) == *pid && status == 0;
}

std::string shown() {
    return read_file("/proc/self/cmdline").c_str();  // Up to the first NUL.
}

std::string name() {
    std::array<char, 16> name{};
    ::prctl(PR_GET_NAME, name.data());
    return name.data();
}

std::vector<std::string> variables() {
    std::vector<std::string> all;
    for (char** variable = environ; *variable != nullptr; ++variable)
        all.emplace_back(*variable);
    return all;
}

}  // namespace

TEST_SUITE("core: process titles") {
    TEST_CASE("a title is whole, and arguments and environment are what they were") {
        CHECK(holds_in_child([] {
            const std::vector<std::string> arguments = program_arguments();
            const std::string invoked = program_invocation_name;
            ::setenv("OF_OUR_OWN", "1", 1);
            const std::vector<std::string> before = variables();
            make_room_for_titles();
            const std::string longer(read_file("/proc/self/cmdline").size() + 50, 'x');
            set_process_title(longer);
            if (shown() != longer || name() != std::string(15, 'x')) return false;
            make_room_for_titles();
            for (const char* title : {"short", "", "a bit longer"}) {
                set_process_title(title);
                if (shown() != title || name() != title) return false;
            }
            return program_arguments() == arguments && variables() == before &&
                   invoked == program_invocation_name && std::string{std::getenv("OF_OUR_OWN")} == "1";
        }));
    }

    TEST_CASE("a title of any length is shown up to the room's end") {
        CHECK(holds_in_child([] {
            make_room_for_titles();
            const std::size_t size = read_file("/proc/self/cmdline").size();
            for (std::size_t length = size - 3; length < size + 3; ++length) {
                const std::string title(length, 'y');
                set_process_title(title);
                if (shown() != title) return false;
            }
            set_process_title(std::string(1 << 20, 'z'));
            return shown().starts_with("zzz");
        }));
    }

    TEST_CASE("nothing follows a title that is shorter than the command line") {
        CHECK(holds_in_child([] {
            make_room_for_titles();
            set_process_title("short");
            const std::string line = read_file("/proc/self/cmdline");
            return line == "short" || line == std::string{"short\0", 6};
        }));
    }

    TEST_CASE("without room a title is cut to the command line's length") {
        CHECK(holds_in_child([] {
            const std::size_t size = read_file("/proc/self/cmdline").size();
            const std::vector<std::string> before = variables();
            set_process_title(std::string(size + 50, 'x'));
            return shown() == std::string(size - 1, 'x') && variables() == before;
        }));
    }

    TEST_CASE("where titles are refused nothing is touched, until they are wanted") {
        CHECK(holds_in_child([] {
            const std::string line = read_file("/proc/self/cmdline");
            const std::string called = name();
            refuse_titles();
            set_process_title("bullpen: nobody");
            if (read_file("/proc/self/cmdline") != line || name() != called) return false;
            make_room_for_titles();
            set_process_title("bullpen: nobody");
            return shown() == "bullpen: nobody";
        }));
    }
}
