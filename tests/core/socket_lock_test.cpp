#include "core/socket_lock.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"
#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

class Home {
public:
    Home() {
        char name[] = "/tmp/bullpen-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Home() { std::filesystem::remove_all(path); }
    [[nodiscard]] bool is_empty() const { return std::filesystem::is_empty(path); }
    std::string path;
};

std::string complaint(const std::string& socket) {
    return complaint_of<std::system_error>([&] {
        const SocketLock lock{socket, std::chrono::milliseconds{20}};
    });
}

}  // namespace

TEST_SUITE("core: the lock on a UNIX socket's place") {
    TEST_CASE("one at a time holds it, and then nothing is left of it") {
        const Home home;
        const std::string socket = home.path + "/web";
        const long before = open_descriptors();
        std::optional<SocketLock> lock{std::in_place, socket, std::chrono::milliseconds{0}};
        CHECK(complaint(socket) == "cannot listen on unix:" + socket + ": its lock " + socket +
                                       ".lock, which another process of this user holds: Resource "
                                       "temporarily unavailable");
        CHECK(complaint(home.path + "/other").empty());
        lock.reset();
        CHECK(complaint(socket).empty());
        CHECK(home.is_empty());
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("the file of a server that was killed is no obstacle") {
        const Home home;
        const UniqueFd left{::open((home.path + "/web.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)};
        CHECK(complaint(home.path + "/web").empty());
        CHECK(home.is_empty());
    }

    TEST_CASE("a file that others can open, a link and a FIFO are refused, and stay") {
        const Home home;
        const std::string file = home.path + "/web.lock";
        { const UniqueFd made{::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)}; }
        ::chmod(file.c_str(), 0644);
        CHECK(contains(complaint(home.path + "/web"), "one that only this user can open"));
        CHECK(std::filesystem::exists(file));
        std::filesystem::remove(file);
        std::filesystem::create_symlink("/etc/passwd", file);
        CHECK(contains(complaint(home.path + "/web"), ".lock: Too many levels of symbolic links"));
        std::filesystem::remove(file);
        REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
        CHECK(contains(complaint(home.path + "/web"), "one that only this user can open"));
        if (::geteuid() == 0) {
            std::filesystem::remove(file);
            { const UniqueFd made{::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)}; }
            REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
            CHECK(contains(complaint(home.path + "/web"), "one that only this user can open"));
        }
    }

    TEST_CASE("a directory that isn't there is one sentence") {
        CHECK(complaint("/no/such/place/web") ==
              "cannot listen on unix:/no/such/place/web: its lock /no/such/place/web.lock: No such file or "
              "directory");
    }
}
