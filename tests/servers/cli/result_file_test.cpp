#include "servers/cli/result_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <system_error>

#include <bullpen/unique_fd.hpp>
#include "servers/bench/compare/temporary_directory.hpp"

using namespace bullpen;

namespace {

std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

auto files_in(const std::filesystem::path& directory) {
    using Iterator = std::filesystem::directory_iterator;
    return std::distance(Iterator{directory}, Iterator{});
}

}  // namespace

TEST_SUITE("cli: a result file") {
    TEST_CASE("nothing is there before the commit, and everything after it") {
        const TemporaryDirectory directory;
        const auto path = directory.path() / "result.json";
        ResultFile file{path.string()};
        CHECK_FALSE(std::filesystem::exists(path));
        file.commit("all of it\n");
        CHECK(contents(path) == "all of it\n");
        CHECK(files_in(directory.path()) == 1);
        const mode_t mask = ::umask(0);
        ::umask(mask);
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == (0666 & ~mask));
    }

    TEST_CASE("without a commit the old file stays, and nothing is left beside it") {
        const TemporaryDirectory directory;
        const auto path = directory.path() / "result.json";
        std::ofstream{path} << "old";
        { const ResultFile file{path.string()}; }
        CHECK(contents(path) == "old");
        CHECK(files_in(directory.path()) == 1);
    }

    TEST_CASE("an old file is replaced as a whole and keeps its mode") {
        const TemporaryDirectory directory;
        const auto path = directory.path() / "result.json";
        std::ofstream{path} << "something longer than the new one";
        REQUIRE(::chmod(path.c_str(), 0604) == 0);
        ResultFile{path.string()}.commit("new");
        CHECK(contents(path) == "new");
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0604);
    }

    TEST_CASE("a symbolic link stays one: its target is written") {
        const TemporaryDirectory directory;
        const auto target = directory.path() / "target";
        const auto link = directory.path() / "link";
        std::ofstream{target} << "old";
        std::filesystem::create_symlink(target, link);
        ResultFile{link.string()}.commit("new");
        CHECK(std::filesystem::is_symlink(link));
        CHECK(contents(target) == "new");
    }

    TEST_CASE("a device is written to, not replaced") {
        ResultFile{"/dev/null"}.commit("gone");
        CHECK(std::filesystem::is_character_file("/dev/null"));
    }

    TEST_CASE("a path that can't be written is known at once") {
        const TemporaryDirectory directory;
        CHECK_THROWS_AS(ResultFile{directory.path().string()}, std::system_error);
        CHECK_THROWS_AS(ResultFile{(directory.path() / "none" / "x").string()}, std::system_error);
    }
}

TEST_SUITE("cli: a temporary directory") {
    TEST_CASE("it goes with all that is in it") {
        std::filesystem::path path;
        {
            const TemporaryDirectory directory;
            path = directory.path();
            std::filesystem::create_directory(path / "sub");
            std::ofstream{path / "sub" / "file"} << "x";
            CHECK(std::filesystem::exists(path / "sub" / "file"));
        }
        CHECK_FALSE(std::filesystem::exists(path));
    }

    TEST_CASE("a FIFO takes it once somebody reads, and nobody waits for a reader for ever") {
        const TemporaryDirectory directory;
        const auto path = directory.path() / "fifo";
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        ResultFile file{path.string()};
        CHECK_THROWS_WITH(file.commit("x", std::chrono::milliseconds{1}),
                          ("cannot write " + path.string() + ": nobody reads it").c_str());
        const UniqueFd reader{::open(path.c_str(), O_RDONLY | O_NONBLOCK)};
        file.commit("all of it\n");
        char text[20];
        CHECK(::read(reader.get(), text, sizeof text) == 10);
    }
}
