#include "core/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <climits>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <bullpen/unique_fd.hpp>
#include "core/process.hpp"
#include "core/read_file.hpp"
#include "core/utf8.hpp"
#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;
namespace json = boost::json;

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

    /// What has been written by now.
    [[nodiscard]] std::string read() const {
        std::string text(std::size_t{1} << 16U, '\0');
        ::fcntl(reading.get(), F_SETFL, O_NONBLOCK);
        const ssize_t size = ::read(reading.get(), text.data(), text.size());
        text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return text;
    }

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

    TEST_CASE("a line has whose it is") {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const UniqueFd client{ends[0]};
        UniqueFd other{ends[1]};
        const PipeAsStderr pipe;
        {
            const LogsFor pool{{.pool = "web"}};
            log(LogLevel::info, "one");
            const LogsFor worker{{.pool = "web", .slot = 3}};
            log(LogLevel::info, "two");
            const LogsFor this_client = LogsFor::client(client.get());
            log(LogLevel::info, "three");
            std::thread{[] { log(LogLevel::info, "four"); }}.join();
        }
        log(LogLevel::info, "five");
        const std::string lines = pipe.read();
        CHECK(contains(lines, "] pool web: one\n"));
        CHECK(contains(lines, "] pool web: worker 3: two\n"));
        CHECK(contains(lines, "] pool web: worker 3, client unix:: three\n"));
        CHECK(contains(lines, "] four\n"));
        CHECK(contains(lines, "] five\n"));
    }

    TEST_CASE("in JSON a line is an object, whatever the text, the pool and the client are") {
        CHECK(status_in_child([](const std::string& path) {
                  open_log({.format = LogFormat::json});
                  int ends[2];
                  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return false;
                  log(LogLevel::error, "plain");
                  const LogsFor worker{{.pool = "w\"b", .slot = 3, .client = ends[0]}};
                  log(LogLevel::warning, "a\"\\\n\x01\x7f\xff\xc3\xa9");
                  std::istringstream lines{read_file(path)};
                  std::string line;
                  std::getline(lines, line);
                  const json::object first = json::parse(line).as_object();
                  std::getline(lines, line);
                  const json::object second = json::parse(line).as_object();
                  return first.at("message") == "plain" && first.at("level") == "error" &&
                         first.at("pid") == ::getpid() && first.at("time").as_string().size() == 29 &&
                         first.size() == 4 && second.at("pool") == "w\"b" && second.at("slot") == 3 &&
                         second.at("client") == "unix:" && second.at("level") == "warning" &&
                         second.at("message") == "a\"\\\n\x01\x7f\xef\xbf\xbd\xc3\xa9";
              }) == 0);
    }

    TEST_CASE("a line is cut so that a pipe takes it whole, in both formats and between characters") {
        for (const LogFormat format : {LogFormat::text, LogFormat::json})
            for (const char* unit : {"x", "\x01", "\xc3\xa9", "\xff", "\""}) {
                const PipeAsStderr pipe;
                const auto child = spawn_child([&] {
                    open_log({.format = format});
                    std::string text;
                    while (text.size() < 10'000)
                        text += unit;
                    log(LogLevel::info, text);
                    return log_lines_dropped() == 0 ? 0 : 1;
                });
                int status = 0;
                ::waitpid(*child, &status, 0);
                CHECK(status == 0);
                const std::string line = pipe.read();
                CHECK(line.size() > 2'000);
                CHECK(line.size() <= PIPE_BUF);
                CHECK(line.ends_with(format == LogFormat::json ? "\"}\n" : "\n"));
                if (format == LogFormat::json) CHECK(json::parse(line).is_object());
                if (std::string_view{unit} == "\xc3\xa9") CHECK(is_utf8(line));
            }
    }

    TEST_CASE("a level that is changed holds for the processes that were forked before") {
        CHECK(status_in_child([](const std::string& path) {
                  open_log({.level = LogLevel::error});
                  const Writer child{spawn_child, "of the child"};
                  log(LogLevel::info, "before");
                  set_log_level(LogLevel::info);
                  child.write();
                  return contains(read_file(path), "of the child") && !contains(read_file(path), "before");
              }) == 0);
    }

    TEST_CASE(
        "a log by a path is appended to, made for its owner and group, and its name is as it was given") {
        CHECK(status_in_child([](const std::string& stderr_path) {
                  const std::string home = std::filesystem::path{stderr_path}.parent_path();
                  std::filesystem::create_directory(home + "/a");
                  std::filesystem::create_directory(home + "/b");
                  std::filesystem::create_directory_symlink("a", home + "/current");
                  if (::chdir(home.c_str()) != 0) return false;
                  ::umask(0);
                  open_log({.to = "current/log"});
                  log(LogLevel::info, "first");
                  struct stat file {};
                  if (::stat("a/log", &file) != 0 || (file.st_mode & 07777) != 0640) return false;
                  open_log({.to = "current/log"});
                  log(LogLevel::info, "second");
                  if (!contains(read_file("a/log"), "first") || !contains(read_file("a/log"), "second"))
                      return false;
                  std::filesystem::remove("current");
                  std::filesystem::create_directory_symlink("b", "current");
                  if (::chdir("/") != 0 || reopen_log() != Reopened::yes) return false;
                  log(LogLevel::info, "third");
                  return contains(read_file(home + "/b/log"), "third") && read_file(stderr_path).empty() &&
                         log_lines_dropped() == 0;
              }) == 0);
    }

    TEST_CASE("a log may be any open descriptor, which follows when the file is opened anew") {
        CHECK(status_in_child([](const std::string& stderr_path) {
                  const std::string path = stderr_path + ".7";
                  const UniqueFd file{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600)};
                  const int before = static_cast<int>(list_descriptors().size());
                  for (int i = 0; i < 3; ++i)
                      open_log({.to = "fd:" + std::to_string(file.get())});
                  if (static_cast<int>(list_descriptors().size()) != before + 1) return false;
                  log(LogLevel::info, "first");
                  std::filesystem::rename(path, path + ".1");
                  if (reopen_log() != Reopened::yes) return false;
                  log(LogLevel::info, "second");
                  (void)!::write(file.get(), "third", 5);
                  return contains(read_file(path + ".1"), "first") && contains(read_file(path), "second") &&
                         contains(read_file(path), "third") && read_file(stderr_path).empty();
              }) == 0);
    }

    TEST_CASE("a log that can't be had is one sentence, and lines go where they went") {
        CHECK(status_in_child([](const std::string& path) {
                  const UniqueFd readable{::open("/dev/null", O_RDONLY)};
                  const UniqueFd place{::open("/", O_PATH)};
                  const std::string home = std::filesystem::path{path}.parent_path();
                  const std::string fifo = home + "/fifo";
                  if (::mkfifo(fifo.c_str(), 0600) != 0) return false;
                  const std::vector<std::pair<std::string, std::string>> wrong = {
                      {"fd:" + std::to_string(readable.get()), "the descriptor isn't open for writing"},
                      {"fd:" + std::to_string(place.get()), "the descriptor isn't open for writing"},
                      {"fd:999999", "the descriptor isn't open"},
                      {home, "Is a directory"},
                      {home + "/none/log", "No such file or directory"},
                      {fifo, "No such device or address"}};  // Nobody reads it.
                  for (const auto& one : wrong)
                      if (complaint_of<std::runtime_error>([&] { open_log({.to = one.first}); }) !=
                          "cannot write the log to " + one.first + ": " + one.second)
                          return false;
                  log(LogLevel::info, "goes on");
                  return contains(read_file(path), "goes on");
              }) == 0);
    }

    TEST_CASE("lines of threads are whole, and a child may be forked while another thread writes") {
        CHECK(status_in_child([](const std::string& path) {
                  open_log({});
                  std::atomic<bool> enough{false};
                  std::thread writer{[&] {
                      while (!enough)
                          log(LogLevel::info, "of the thread");
                  }};
                  bool right = true;
                  for (int i = 0; i < 100; ++i) {
                      const pid_t child = ::fork();
                      if (child == 0) {
                          log(LogLevel::info, "of a child");
                          ::_exit(0);
                      }
                      int status = 1;
                      right = ::waitpid(child, &status, 0) == child && status == 0 && right;
                  }
                  enough = true;
                  writer.join();
                  std::istringstream lines{read_file(path)};
                  int children = 0;
                  for (std::string line; std::getline(lines, line);) {
                      children += line.ends_with("] of a child") ? 1 : 0;
                      right = right && (line.ends_with("] of the thread") || line.ends_with("] of a child"));
                  }
                  return right && children == 100;
              }) == 0);
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
            open_log({});
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
            open_log({});
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
                  open_log({});
                  return reopen_log() == Reopened::no_file;
              }) == 0);
        const PipeAsStderr pipe;
        const auto child = spawn_child([] {
            open_log({});
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
                  open_log({});
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
                  open_log({});
                  std::filesystem::rename(path, path + ".1");
                  std::filesystem::create_directory(path);
                  if (reopen_log() != Reopened::failed) return false;
                  log(LogLevel::info, "goes on");
                  return contains(read_file(path + ".1"), "goes on");
              }) == 0);
    }

    TEST_CASE("a child that follows replaces no descriptor that has the log's number by then") {
        CHECK(status_in_child([](const std::string& path) {
                  open_log({});
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
                  open_log({});
                  const bool before = is_opened_for_log(log_descriptor());
                  const UniqueFd read_only{::open(path.c_str(), O_RDONLY)};
                  return reopen_log() == Reopened::yes && !before && is_opened_for_log(log_descriptor()) &&
                         !is_opened_for_log(read_only.get());
              }) == 0);
    }
}
