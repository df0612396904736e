#include "servers/services/file_tree.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

using namespace bullpen;
using namespace bullpen::http;
namespace fs = std::filesystem;

namespace {

/// A root with a secret beside it.
struct Site {
    Site() {
        std::string name = "/tmp/bullpen-file-tree-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        top = name;
        root = top / "root";
        fs::create_directories(root / "sub");
        write(top / "secret", "secret");
        write(root / "a.txt", "hello");
        write(root / "sub" / "b.txt", "there");
    }
    ~Site() { fs::remove_all(top); }
    Site(const Site&) = delete;
    Site& operator=(const Site&) = delete;

    static void write(const fs::path& path, const char* text) { std::ofstream{path} << text; }

    fs::path top;
    fs::path root;
};

std::vector<std::string> names_in(const FileTree& tree, const std::string& path) {
    std::vector<std::string> names;
    for (const DirectoryEntry& entry : tree.entries(tree.open(path), path).entries)
        names.push_back(entry.name + (entry.is_directory ? "/" : ""));
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

TEST_SUITE("file tree") {
    TEST_CASE("files and directories beneath the root are opened") {
        const Site site;
        const FileTree tree{site.root};
        const OpenedFile file = tree.open("a.txt");
        REQUIRE(file.fd);
        CHECK(file.size() == 5);
        CHECK_FALSE(file.is_directory());
        CHECK(tree.open("").is_directory());
        CHECK(tree.open("sub/").is_directory());
        CHECK(tree.open("sub//b.txt").fd);
        CHECK(tree.open("nothing").error == ENOENT);
        CHECK(tree.open("a.txt/").error == ENOTDIR);
    }

    TEST_CASE("no symlink leads out of the root, and those within work") {
        const Site site;
        fs::create_symlink("/etc/passwd", site.root / "absolute");
        fs::create_symlink("../secret", site.root / "relative");
        fs::create_symlink("..", site.root / "up");
        fs::create_symlink("/proc/self/root", site.root / "magic");
        fs::create_symlink("loop", site.root / "loop");
        fs::create_symlink("../a.txt", site.root / "sub" / "within");
        const FileTree tree{site.root};
        for (const char* path :
             {"absolute", "relative", "up", "up/secret", "up/root/a.txt", "magic/etc/passwd", "loop"}) {
            CAPTURE(path);
            const OpenedFile file = tree.open(path);
            CHECK_FALSE(file.fd);
            CHECK((file.error == EXDEV || file.error == ELOOP));
        }
        CHECK(tree.open("sub/within").fd);
        CHECK(names_in(tree, "") == std::vector<std::string>{"a.txt", "sub/"});
        CHECK(names_in(tree, "sub/") == std::vector<std::string>{"b.txt", "within"});
    }

    TEST_CASE("a symlink that stays below the root is followed, absolute or not") {
        const Site site;
        fs::create_symlink(site.root / "a.txt", site.root / "absolute");
        fs::create_symlink(site.root / "sub", site.root / "folder");
        fs::create_symlink(site.root, site.root / "sub" / "top");
        fs::create_symlink("../root/a.txt", site.root / "round");
        fs::create_symlink("../folder/b.txt", site.root / "sub" / "twice");
        const FileTree tree{site.root};
        for (const char* path : {"absolute", "folder/b.txt", "folder/top/a.txt", "round", "sub/twice"}) {
            CAPTURE(path);
            const OpenedFile file = tree.open(path);
            REQUIRE(file.fd);
            CHECK(file.size() == 5);
            char byte;
            CHECK(::read(file.fd.get(), &byte, 1) == 1);
        }
        CHECK(tree.open("folder/").is_directory());
        CHECK(tree.open("sub/top").is_directory());
        CHECK(tree.open("folder/nothing").error == ENOENT);
        CHECK(names_in(tree, "") ==
              std::vector<std::string>{"a.txt", "absolute", "folder/", "round", "sub/"});
        CHECK(names_in(tree, "folder/") == std::vector<std::string>{"b.txt", "top/", "twice"});
    }

    TEST_CASE("an absolute symlink leads to no neighbour, device or FIFO, nor through one that leads out") {
        const Site site;
        fs::create_directory(site.top / "root2");
        Site::write(site.top / "root2" / "a.txt", "secret");
        REQUIRE(::mkfifo((site.root / "fifo").c_str(), 0600) == 0);
        fs::create_symlink(site.top / "root2", site.root / "neighbour");
        fs::create_symlink(site.top, site.root / "up");
        fs::create_symlink(site.root / "fifo", site.root / "pipe");
        fs::create_symlink("/dev/null", site.root / "null");
        fs::create_symlink("/proc/self/cwd", site.root / "magic");
        fs::create_symlink(site.root / "nothing", site.root / "dangling");
        const FileTree tree{site.root};
        for (const char* path : {"neighbour/a.txt", "neighbour/", "up/root/a.txt", "up/secret", "pipe",
                                 "null", "magic", "magic/", "dangling"}) {
            CAPTURE(path);
            CHECK_FALSE(tree.open(path).fd);
        }
        CHECK(names_in(tree, "") == std::vector<std::string>{"a.txt", "sub/"});
        CHECK_FALSE(tree.open(site.top / "secret").fd);
    }

    TEST_CASE("without links no symlink is followed, but for the root") {
        const Site site;
        fs::create_symlink("a.txt", site.root / "near");
        fs::create_symlink(site.root / "a.txt", site.root / "far");
        fs::create_symlink("root", site.top / "current");
        const FileTree tree{site.top / "current", Links::none};
        CHECK(tree.open("a.txt").fd);
        CHECK(tree.open("near").error == ELOOP);
        CHECK_FALSE(tree.open("far").fd);
        CHECK(names_in(tree, "") == std::vector<std::string>{"a.txt", "sub/"});
    }

    TEST_CASE("where the root's name leads is looked up once a second") {
        const Site site;
        fs::create_directory(site.top / "next");
        Site::write(site.top / "next" / "a.txt", "another");
        fs::create_symlink("root", site.top / "current");
        FileTree tree{site.top / "current"};
        const auto size = [&] { return tree.open("a.txt").size(); };
        const auto move_to = [&](const char* target) {
            fs::create_symlink(target, site.top / "new");
            fs::rename(site.top / "new", site.top / "current");
        };
        TimePoint now = Clock::now();
        CHECK(size() == 5);
        move_to("next");
        CHECK_FALSE(tree.renew_root(now));
        CHECK(size() == 5);
        now += std::chrono::seconds{2};
        CHECK(tree.renew_root(now));
        CHECK(size() == 7);
        move_to("nowhere");
        now += std::chrono::seconds{2};
        CHECK_FALSE(tree.renew_root(now));
        CHECK(size() == 7);
        move_to("root");
        CHECK_FALSE(tree.renew_root(now + std::chrono::milliseconds{500}));
        CHECK(tree.renew_root(now + std::chrono::seconds{1}));
        CHECK(size() == 5);
        fs::rename(site.root, site.top / "old");
        fs::rename(site.top / "next", site.root);
        CHECK(tree.renew_root(now + std::chrono::seconds{2}));
        CHECK(size() == 7);
    }

    TEST_CASE("a directory that can't be listed is an error") {
        const Site site;
        const FileTree tree{site.root};
        CHECK_THROWS_AS(static_cast<void>(tree.entries(tree.open("a.txt"), "a.txt")), std::system_error);
        CHECK_THROWS_AS(static_cast<void>(tree.entries({}, "")), std::system_error);
    }

    TEST_CASE("what begins with a dot is not there") {
        const Site site;
        Site::write(site.root / ".hidden", "x");
        fs::create_directory(site.root / ".well-known");
        Site::write(site.root / ".well-known" / "a", "x");
        const FileTree tree{site.root};
        for (const char* path : {".hidden", "..", "../secret", "sub/../a.txt", "."})
            CHECK(tree.open(path).error == ENOENT);
        CHECK(tree.open(".well-known/a").fd);
        CHECK(names_in(tree, "") == std::vector<std::string>{"a.txt", "sub/"});
    }

    TEST_CASE("a FIFO, a socket and a device are not there, and nothing blocks") {
        const Site site;
        REQUIRE(::mkfifo((site.root / "fifo").c_str(), 0600) == 0);
        const UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        (site.root / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        const FileTree tree{site.root};
        CHECK(tree.open("fifo").error == ENOENT);
        CHECK_FALSE(tree.open("socket").fd);
        CHECK(names_in(tree, "") == std::vector<std::string>{"a.txt", "sub/"});
        CHECK_FALSE(FileTree{"/dev"}.open("null").fd);
    }

    TEST_CASE("entries carry size and date, and stop at their limit") {
        const Site site;
        const FileTree tree{site.root};
        const DirectoryEntries sub = tree.entries(tree.open("sub/"), "sub/");
        REQUIRE(sub.entries.size() == 1);
        CHECK(sub.entries[0].size == 5);
        CHECK(sub.entries[0].modified >= std::time(nullptr) - 3600);
        CHECK(sub.complete);

        fs::create_directory(site.root / "many");
        for (std::size_t i = 0; i <= FileTree::entries_max; ++i) {
            const std::string path = site.root / "many" / std::to_string(i);
            UniqueFd{::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
        }
        const DirectoryEntries many = tree.entries(tree.open("many/"), "many/");
        CHECK(many.entries.size() == FileTree::entries_max);
        CHECK_FALSE(many.complete);
    }

    TEST_CASE("a root that isn't there or is no directory is refused in one sentence") {
        const Site site;
        CHECK_THROWS_WITH_AS(FileTree{"/no/such/root"},
                             "cannot serve the files below \"/no/such/root\": No such file or directory",
                             std::system_error);
        CHECK_THROWS_AS(FileTree{site.root / "a.txt"}, std::system_error);
        CHECK_THROWS_WITH_AS(FileTree{"/no\nroot"},
                             "cannot serve the files below \"/no\\x0aroot\": No such file or directory",
                             std::system_error);
    }
}
