#include "core/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"
#include "core/read_file.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

namespace {

/// stderr as a pipe, for as long as this lives.
class PipeAsStderr {
public:
    PipeAsStderr() : saved_{::dup(STDERR_FILENO)} {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reading = UniqueFd{ends[0]};
        ::dup2(ends[1], STDERR_FILENO);
        ::close(ends[1]);
    }
    ~PipeAsStderr() { ::dup2(saved_.get(), STDERR_FILENO); }
    UniqueFd reading;

private:
    UniqueFd saved_;
};

/// 0 if the body says yes in a child whose stderr is a file; the body gets its path.
int status_in_child(const std::function<bool(const std::string& path)>& body) {
    std::string directory = "/tmp/bullpen-log-XXXXXX";
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    const std::string path = directory + "/log";
    const auto child = spawn_child([&] {
        const UniqueFd file{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600)};
        ::dup2(file.get(), STDERR_FILENO);
        return body(path) ? 0 : 1;
    });
    int status = 0;
    ::waitpid(*child, &status, 0);
    std::filesystem::remove_all(directory);
    return status;
}

/// A child that writes a line once its end of the pipe is written to.
struct Writer {
    int ends[2];
    pid_t pid = 0;

    template <typename Spawn>
    Writer(Spawn spawn, const char* line) {
        REQUIRE(::pipe(ends) == 0);
        pid = *spawn([&] {
            char go = 0;
            if (::read(ends[0], &go, 1) == 1) log(LogLevel::info, line);
            return 0;
        });
    }
    void write() const {
        (void)!::write(ends[1], "x", 1);
        ::waitpid(pid, nullptr, 0);
    }
};

}  // namespace

TEST_SUITE("core: the log") {
    TEST_CASE("a line has a level and the text, and control bytes are escaped") {
        const PipeAsStderr pipe;
        log(LogLevel::warning, "a\nb\x1b[31m\x7f");
        char line[256] = {};
        REQUIRE(::read(pipe.reading.get(), line, sizeof line - 1) > 0);
        const std::string text = line;
        CHECK(text.find(" warning [") != std::string::npos);
        CHECK(text.find("a\\x0ab\\x1b[31m\\x7f\n") != std::string::npos);
    }

    TEST_CASE("lines that can't be written are dropped and counted, and nothing waits") {
        const PipeAsStderr pipe;
        const std::uint64_t before = log_lines_dropped();
        for (int i = 0; i < 2000; ++i)
            log(LogLevel::info, std::string(100, 'x'));
        CHECK(log_lines_dropped() > before);
    }

    TEST_CASE("once the log has a descriptor of its own, whoever has descriptor 2 gets no line") {
        const PipeAsStderr log_pipe;
        const pid_t pid = *spawn_child([&] {
            keep_log_open();
            int ends[2];
            if (::pipe(ends) != 0 || ::dup2(ends[1], STDERR_FILENO) < 0) return 1;
            log(LogLevel::warning, "first");
            ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
            char byte = 0;
            const bool none_to_2 = ::read(ends[0], &byte, 1) < 0;
            ::dup2(ends[1], log_descriptor());  // A handler that closes everything, and then its next client.
            const std::uint64_t before = log_lines_dropped();
            log(LogLevel::warning, "second");
            return none_to_2 && ::read(ends[0], &byte, 1) < 0 && log_lines_dropped() == before + 1 ? 0 : 2;
        });
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(status == 0);
        char line[256] = {};
        REQUIRE(::read(log_pipe.reading.get(), line, sizeof line - 1) > 0);
        CHECK(std::string{line}.find("first") != std::string::npos);
        CHECK(std::string{line}.find("second") == std::string::npos);
    }

    TEST_CASE("a child keeps the log's descriptor when it closes all others") {
        const PipeAsStderr log_pipe;
        const pid_t pid = *spawn_child([] {
            keep_log_open();
            close_all_except({});
            const std::uint64_t before = log_lines_dropped();
            log(LogLevel::warning, "still there");
            return log_lines_dropped() == before ? 0 : 1;
        });
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(status == 0);
    }

    TEST_CASE("lines below the level are not written") {
        const PipeAsStderr pipe;
        log(LogLevel::debug, "too small");
        ::fcntl(pipe.reading.get(), F_SETFL, O_NONBLOCK);
        char byte = 0;
        CHECK(::read(pipe.reading.get(), &byte, 1) < 0);
    }

    TEST_CASE("a log that is no file with a name can't be reopened") {
        CHECK(status_in_child([](const std::string& path) {
                  ::unlink(path.c_str());
                  keep_log_open();
                  return reopen_log() == Reopened::no_file;
              }) == 0);
        const PipeAsStderr pipe;
        const auto child = spawn_child([] {
            keep_log_open();
            return reopen_log() == Reopened::no_file ? 0 : 1;
        });
        int status = 1;
        ::waitpid(*child, &status, 0);
        CHECK(status == 0);
    }

    TEST_CASE(
        "once the log was reopened a renamed file is left alone: by children, and by one that shares "
        "the descriptors") {
        CHECK(status_in_child([](const std::string& path) {
                  keep_log_open();
                  const Writer child{spawn_child, "of the child"};
                  const Writer twin{spawn_sharing_descriptors, "of the twin"};
                  for (const int turn : {1, 2, 3}) {
                      const std::string number = std::to_string(turn);
                      const std::string renamed = path + "." + number;
                      log(LogLevel::info, "before " + number);
                      std::filesystem::rename(path, renamed);
                      log(LogLevel::info, "between " + number);
                      const int numbers = static_cast<int>(list_descriptors().size());
                      if (reopen_log() != Reopened::yes) return false;
                      if (static_cast<int>(list_descriptors().size()) != numbers) return false;
                      const std::string old = read_file(renamed);
                      if (!contains(old, "before " + number) || !contains(old, "between " + number))
                          return false;
                  }
                  const std::uint64_t dropped = log_lines_dropped();
                  child.write();
                  twin.write();
                  log(LogLevel::info, "after");
                  (void)!::write(STDERR_FILENO, "of a library", 12);
                  const std::string now = read_file(path);
                  return contains(now, "of the child") && contains(now, "of the twin") &&
                         contains(now, "after") && contains(now, "of a library") &&
                         log_lines_dropped() == dropped;
              }) == 0);
    }

    TEST_CASE("a log that can't be reopened goes on in the old file") {
        CHECK(status_in_child([](const std::string& path) {
                  keep_log_open();
                  std::filesystem::rename(path, path + ".1");
                  std::filesystem::create_directory(path);
                  if (reopen_log() != Reopened::failed) return false;
                  log(LogLevel::info, "goes on");
                  return contains(read_file(path + ".1"), "goes on");
              }) == 0);
    }

    TEST_CASE("a child that follows replaces no descriptor that has the log's number by then") {
        CHECK(status_in_child([](const std::string& path) {
                  keep_log_open();
                  int ends[2];
                  int client[2];
                  if (::pipe(ends) != 0 || ::pipe(client) != 0) return false;
                  const auto child = spawn_child([&] {
                      ::dup2(client[1], log_descriptor());  // A handler that closed everything.
                      char go = 0;
                      (void)!::read(ends[0], &go, 1);
                      log(LogLevel::info, "to nobody");
                      return ::write(log_descriptor(), "c", 1) == 1 ? 0 : 1;
                  });
                  std::filesystem::rename(path, path + ".1");
                  const bool reopened = reopen_log() == Reopened::yes;
                  (void)!::write(ends[1], "x", 1);
                  ::waitpid(*child, nullptr, 0);
                  char byte = 0;
                  ::fcntl(client[0], F_SETFL, O_NONBLOCK);
                  return reopened && ::read(client[0], &byte, 1) == 1 && byte == 'c' &&
                         read_file(path).empty();
              }) == 0);
    }

    TEST_CASE("a file that was opened for the log is known as such") {
        CHECK(status_in_child([](const std::string& path) {
                  keep_log_open();
                  const bool before = is_opened_for_log(log_descriptor());
                  const UniqueFd read_only{::open(path.c_str(), O_RDONLY)};
                  return reopen_log() == Reopened::yes && !before && is_opened_for_log(log_descriptor()) &&
                         !is_opened_for_log(read_only.get());
              }) == 0);
    }
}
