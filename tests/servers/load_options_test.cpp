#include <bullpen/load_options.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

namespace {

/// A file with that text.
class File {
public:
    explicit File(const std::string& text)
        : path{std::filesystem::temp_directory_path() / ("bullpen-options-" + std::to_string(::getpid()))} {
        std::ofstream{path} << text;
    }
    ~File() { std::filesystem::remove(path); }
    std::string path;
};

std::string complaint(const std::string& text) {
    const File file{text};
    const std::string sentence = complaint_of([&] { (void)load_options(file.path, {"shop"}); });
    return sentence.starts_with(file.path) ? sentence.substr(file.path.size()) : sentence;
}

}  // namespace

TEST_SUITE("servers: a configuration file for one's own program") {
    TEST_CASE("it has pools, what is the server's, and tables of the program's own") {
        const File file{
            "[master]\nmetrics = '127.0.0.1:9464'\ndrain_timeout = 7\nlog_level = 'debug'\n"
            "[pool.web]\nlisten = ['127.0.0.1:1', 'unix:/x']\nidle_timeout = 9\nhandoff_when = 'readable'\n"
            "[pool.admin]\nlisten = '127.0.0.1:2'\nworkers = 3\nmodel = 'fork'\n"
            "[shop]\ndatabase = '/var/lib/shop.db'\n"};
        const std::vector<Options> pools = load_options(file.path, {"shop"});
        REQUIRE(pools.size() == 2);
        const Options& admin = pools[0];
        const Options& web = pools[1];
        for (const Options& pool : pools) {
            CHECK(pool.metrics == "127.0.0.1:9464");
            CHECK(pool.drain_timeout == std::chrono::seconds{7});
            CHECK(pool.log_level == LogLevel::debug);
            CHECK(pool.control == "off");
        }
        CHECK(web.name == "web");
        CHECK(web.listen == std::vector<std::string>{"127.0.0.1:1", "unix:/x"});
        CHECK(web.time_limits.idle == std::chrono::seconds{9});
        CHECK(web.handoff_when == HandoffWhen::readable);
        CHECK(admin.name == "admin");
        CHECK(admin.model == "fork");
        CHECK(admin.limits.policy == SizingPolicy::fixed);
        CHECK(admin.limits.workers_max == 3);
    }

    TEST_CASE("what is wrong is one sentence with the line and the key") {
        CHECK(contains(complaint("[pool.a]\nspare_mim = 3\n"),
                       ":2: there is no option 'spare_mim' (did you mean"));
        CHECK(contains(complaint("[pool.a]\nworkers_max = 0\n"),
                       ":2: workers_max: expected a number from 1 to 10000, got 0"));
        CHECK(contains(complaint("[pool.a]\nworkers_max = 'many'\n"), ":2: workers_max: expected a number"));
        CHECK(contains(complaint("[pool.a]\nlisten = true\n"),
                       ":2: listen: expected a string, a whole number"));
        CHECK(
            contains(complaint("[pool.a]\nlisten = []\n"), ":2: listen: expected a string, a whole number"));
        CHECK(
            contains(complaint("[pool.a]\nlisten = 'nowhere'\n"), ":2: listen: 'nowhere' is not an address"));
        CHECK(contains(complaint("[pool.a]\nroot = '/srv'\n"), ":2: root is of the program's services"));
        CHECK(contains(complaint("[pool.a]\nlinger = 5\n"), ":2: linger is called await_next now"));
        CHECK(contains(complaint("[pool.a]\nname = 'b'\n"), ":2: name: a pool's is that of its table"));
        CHECK(contains(complaint("[master]\nlog_level = 'loud'\n[pool.a]\n"), ":2: log_level: there is no"));
        CHECK(contains(complaint("pool = 1\n"), ":1: pool.NAME: expected a table"));
        CHECK(contains(complaint("[poll.a]\n"), ":1: there is no table 'poll'"));
        CHECK(contains(complaint("[shop]\n"), ": there is no pool in it"));
        CHECK(contains(complaint("[pool.a]\nlisten = t\n"), ":2: "));
        CHECK(complaint("[pool.a]\n").empty());
        CHECK(complaint_of<std::system_error>([] { (void)load_options("/no/such.toml"); }) ==
              "cannot read /no/such.toml: No such file or directory");
    }
}
