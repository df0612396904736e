#include "core/program_start.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "core/process.hpp"
#include "core/read_file.hpp"

using namespace bullpen;

namespace {

/// What a shell's `commands` have written, run as `start` says.
std::string written_by(ProgramStart start, const std::string& shell, const std::string& commands) {
    const std::string path =
        std::filesystem::temp_directory_path() / ("bullpen_program_start." + std::to_string(::getpid()));
    start.arguments = {shell, "-c", "{ " + commands + "; } > " + path};
    const auto child = spawn_child([&] {
        start.become("ADDED=one more");
        return errno;
    });
    REQUIRE(child);
    int status = -1;
    REQUIRE(::waitpid(*child, &status, 0) == *child);
    REQUIRE(status == 0);
    const std::string text = read_file(path);
    std::filesystem::remove(path);
    return text;
}

}  // namespace

TEST_SUITE("core: how the program was started") {
    TEST_CASE("it has this process's arguments, directory, umask and environment, and changes none of them") {
        const mode_t before = ::umask(027);
        const ProgramStart start = ProgramStart::of_this_process();
        CHECK(::umask(before) == 027);
        CHECK(start.umask == 027);
        CHECK(start.directory == std::filesystem::current_path().string());
        REQUIRE_FALSE(start.arguments.empty());
        CHECK(start.arguments.front().ends_with("bullpen_tests"));
        CHECK_FALSE(start.environment.empty());
    }

    TEST_CASE("what is started so has all of that, and one variable more") {
        ProgramStart start;
        start.environment = {"KEPT=yes"};
        start.directory = "/usr";
        start.umask = 037;
        CHECK(written_by(start, "/bin/sh", "pwd; umask; echo $KEPT $ADDED") == "/usr\n0037\nyes one more\n");
    }

    TEST_CASE("a name without a slash is looked for in PATH") {
        CHECK(written_by(ProgramStart::of_this_process(), "sh", "echo $ADDED") == "one more\n");
    }

    TEST_CASE("what can't be started says why, and a file that is no program isn't given to a shell") {
        const std::string path =
            std::filesystem::temp_directory_path() / ("bullpen_no_program." + std::to_string(::getpid()));
        const auto error_of = [](const std::string& program, const std::string& directory = "/") {
            ProgramStart start;
            if (!program.empty()) start.arguments = {program};
            start.directory = directory;
            const auto child = spawn_child([&] {
                start.become("ADDED=1");
                return errno;
            });
            int status = -1;
            ::waitpid(child.value_or(-1), &status, 0);
            return WEXITSTATUS(status);
        };
        CHECK(error_of("/no/such/program") == ENOENT);
        CHECK(error_of("") == ENOENT);
        CHECK(error_of("/bin/true", "/no/such/directory") == ENOENT);
        CHECK(error_of("/") == EACCES);
        {
            const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
            CHECK(::write(file, "exit 0\n", 7) == 7);
            ::close(file);
        }
        CHECK(error_of(path) == ENOEXEC);
        std::filesystem::remove(path);
    }
}
