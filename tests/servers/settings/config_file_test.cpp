#include "servers/settings/config_file.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "servers/cli/serve.hpp"
#include "servers/settings/make_pool.hpp"
#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

namespace {

class File {
public:
    explicit File(const std::string& text) {
        char name[] = "/tmp/bullpen-test-XXXXXX";
        ::close(::mkstemp(name));
        path = name;
        std::ofstream{path} << text;
    }
    ~File() { std::filesystem::remove(path); }
    std::string path;
};

/// The sentence with which the text is rejected, without the file's name; empty if it is accepted.
std::string complaint(const std::string& text) {
    const File file{text};
    const std::string sentence = complaint_of([&] {
        ServeArguments arguments;
        arguments.config = file.path;
        const Settings settings = settings_from(arguments, text_of_config_file(arguments.config));
        for (const auto& [name, pool] : settings.pools)
            make_pool(name, pool, "[pool." + name + "]", spell_as_key);
    });
    return sentence.starts_with(file.path) ? sentence.substr(file.path.size()) : sentence;
}

}  // namespace

TEST_SUITE("servers: the configuration file") {
    TEST_CASE("several pools, each with its own settings") {
        const File file{
            "[master]\nmetrics = 'off'\ndrain_timeout = 5\n"
            "[pool.a]\nlisten = ['127.0.0.1:1', 'unix:/x']\nspare_min = 3\nspare_max = 9\n"
            "[pool.b]\nlisten = '127.0.0.1:2'\nservice = 'echo'\nworkers = 7\nmodel = 'fork'\n"};
        const Settings settings = read_config_file(file.path);
        CHECK(settings.master.metrics == "off");
        CHECK(settings.master.drain_timeout == std::chrono::seconds{5});
        REQUIRE(settings.pools.size() == 2);
        CHECK(settings.pools[0].first == "a");
        CHECK(settings.pools[0].second.pool.listen == std::vector<std::string>{"127.0.0.1:1", "unix:/x"});
        CHECK(settings.pools[0].second.pool.limits.spare_max == 9);
        const PoolOptions b = make_pool("b", settings.pools[1].second, "", spell_as_key);
        CHECK(b.design.name == "fork");
        CHECK(b.limits.policy == SizingPolicy::fixed);
        CHECK(b.limits.workers_max == 7);
    }

    TEST_CASE("flags override the file, in the pool they name") {
        const File file{
            "[pool.a]\nlisten = '127.0.0.1:1'\nworkers_max = 9\n[pool.b]\nlisten = '127.0.0.1:2'\n"};
        ServeArguments arguments;
        arguments.config = file.path;
        arguments.pool["workers_max"] = {"5"};
        CHECK_THROWS_AS(settings_from(arguments, text_of_config_file(arguments.config)), SettingError);
        arguments.pool_name = "c";
        CHECK_THROWS_AS(settings_from(arguments, text_of_config_file(arguments.config)), SettingError);
        arguments.pool_name = "a";
        arguments.master["drain_timeout"] = {"1"};
        const Settings settings = settings_from(arguments, text_of_config_file(arguments.config));
        CHECK(settings.pools[0].second.pool.limits.workers_max == 5);
        CHECK(settings.pools[1].second.pool.limits.workers_max == 64);
        CHECK(settings.master.drain_timeout == std::chrono::seconds{1});
    }

    TEST_CASE("what is wrong is said in a sentence with the line and the key") {
        CHECK(contains(complaint("[pool.a]\nspare_mim = 3\n"), ":2: "));
        CHECK(contains(complaint("[pool.a]\nspare_mim = 3\n"), "spare_min"));
        CHECK(contains(complaint("[pool.a]\nworkers = 0\n"),
                       ":2: workers: expected a number from 1 to 10000, got 0"));
        CHECK(contains(complaint("[pool.a]\nworkers = 'x'\n"),
                       ":2: workers: expected a number from 1 to 10000"));
        CHECK(contains(complaint("[pool.a]\nlisten = 5\n"),
                       ":2: listen: expected a string or an array of strings, got a number"));
        CHECK(contains(complaint("[poll.a]\n"), "pool"));
        CHECK(contains(complaint("[master]\nmetrics = 'off'\n"), "no pool"));
        CHECK(contains(complaint("pool = 1\n"),
                       ":1: expected 'pool.NAME' to be a table, as in [pool.NAME], got a number"));
        CHECK(contains(complaint("[pool.a\n"), ":1: "));
        CHECK(contains(complaint("[pool.a]\n[pool.b]\nlisten = '127.0.0.1:1'\n"), "[pool.a] has no listen"));
    }

    TEST_CASE("a value of another type says what it got, whatever it is") {
        const std::pair<const char*, const char*> values[] = {
            {"'4'", "a string"},
            {"4", "a number"},
            {"4.5", "a number with a fraction"},
            {"true", "a boolean"},
            {"[4]", "an array"},
            {"[]", "an empty array"},
            {"{a = 1}", "a table"},
            {"1979-05-27", "a date or time"},
            {"07:32:00", "a date or time"},
            {"1979-05-27T07:32:00Z", "a date or time"},
        };
        const std::pair<const char*, const char*> keys[] = {{"workers_max", "a number from 1 to 10000"},
                                                            {"root", "a string"},
                                                            {"listen", "a string or an array of strings"}};
        for (const auto& [key, expected] : keys)
            for (const auto& [value, got] : values) {
                const std::string kind = got;
                const bool list = std::string{key} == "listen";
                if (kind == (key == keys[0].first ? "a number" : "a string") || (list && kind == "an array"))
                    continue;
                const std::string text = std::string{key} + " = " + value;
                CAPTURE(text);
                CHECK(complaint("[pool.a]\n" + text + "\n") ==
                      ":2: " + std::string{key} + ": expected " + expected + ", got " + got);
            }
        CHECK(complaint("[pool.a]\nlisten = ['127.0.0.1:1', 4]\n") ==
              ":2: listen: expected an array of strings, got one with a number");
    }

    TEST_CASE("a NUL byte in a string, a list or a name is refused") {
        CHECK(contains(complaint("[pool.a]\nroot = \"/srv\\u0000/x\"\n"),
                       ":2: root: expected DIR without a NUL byte"));
        CHECK(contains(complaint("[pool.a]\nlisten = [\"127.0.0.1:1\\u0000\"]\n"),
                       ":2: listen: expected ADDR without"));
        CHECK(contains(complaint("[pool.\"a\\u0000b\"]\n"),
                       ":1: pool.NAME: expected UTF-8 text without control bytes, got 'a\\x00b'"));
        CHECK(contains(complaint("[pool.a]\n\"wor\\u0000kers\" = 3\n"),
                       "there is no key 'wor\\x00kers' (did you mean workers?)"));
    }

    TEST_CASE("a mistyped key gets the nearest first, and no long list") {
        const std::string sentence = complaint("[pool.a]\nworkers_mx = 3\n");
        CHECK(contains(
            sentence,
            ":2: there is no key 'workers_mx' (did you mean workers_max?); known are workers_max, "));
        CHECK(sentence.size() < 200);
    }

    TEST_CASE("the sentence is one line, whatever is quoted in it") {
        for (const char* const text :
             {"[master]\ndrain_timeout = t\n", "'a\nb' = 1\n", "\"a\\nb\" = 1\n", "[master]\n\"a\\nb\" = 1\n",
              "[pool.\"a\\nb\"]\n", "[pool.a]\nmodel = \"a\\nb\"\n", "[pool.a]\nlisten = [\"a\\nb:1\"]\n"}) {
            CAPTURE(text);
            const std::string sentence = complaint(text);
            CHECK_FALSE(sentence.empty());
            CHECK(sentence.find('\n') == std::string::npos);
        }
        CHECK(complaint_of<SettingError>([] { read_config_file("/no/such\nfile"); }) ==
              "/no/such\\x0afile: cannot be read: No such file or directory");
    }

    TEST_CASE("what only shows when all is together is said as well") {
        CHECK(contains(complaint("[pool.a]\nspare_min = 9\nspare_max = 3\n"),
                       "spare_min (9) is above spare_max (3); it must not be"));
        CHECK(contains(complaint("[pool.a]\nspare_min = 9\n"), "spare_max (6, the default)"));
        CHECK(contains(complaint("[pool.a]\nworkers_start = 9\nworkers_max = 3\n"),
                       "workers_start (9) is above"));
        CHECK(contains(complaint("[pool.a]\nworkers = 9\nspare_min = 3\n"), "can't go with spare_min"));
        CHECK(contains(complaint("[pool.a]\nmodel = 'prefrok'\n"), "prefork"));
        CHECK(contains(complaint("[pool.a]\nservice = 'htpp'\n"), "http"));
        CHECK(contains(complaint("[pool.a]\nunix_mode = '0999'\n"), "0000 to 0777"));
        CHECK(complaint("[pool.a]\nworkers_max = 2\n").empty());
    }

    TEST_CASE("a file that can't be read is named") {
        CHECK(complaint_of<SettingError>([] { read_config_file("/no/such/file.toml"); }) ==
              "/no/such/file.toml: cannot be read: No such file or directory");
    }

    TEST_CASE("an address that is none is refused where it stands") {
        CHECK(contains(complaint("[pool.a]\nlisten = ['127.0.0.1: 80']\n"),
                       ":2: listen: '127.0.0.1: 80' is not an address"));
        CHECK(contains(complaint("[master]\nmetrics = '127.0.0.1:+1'\n[pool.a]\n"),
                       ":2: metrics: '127.0.0.1:+1' is not an address"));
        CHECK(contains(complaint("[pool.a]\nlisten = 'off'\n"), ":2: listen: 'off' is not an address"));
    }

    TEST_CASE("a key that stands in no table is told where it goes") {
        CHECK(contains(complaint("workers_max = 4\n[pool.a]\n"),
                       ":1: workers_max stands in no table; it goes into [pool.NAME]"));
        CHECK(contains(complaint("metrics = 'off'\n[pool.a]\n"),
                       ":1: metrics stands in no table; it goes into [master]"));
    }
}
