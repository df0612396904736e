#include <bullpen/set_option.hpp>

#include <doctest/doctest.h>

#include "servers/settings/setting_value.hpp"
#include "servers/settings/settings.hpp"
#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;

TEST_SUITE("servers: options by their names") {
    TEST_CASE("each setting that isn't a service's is an option, and takes its own text") {
        int options_seen = 0;
        for (const Setting<PoolSettings>& setting : pool_settings()) {
            CAPTURE(setting.key);
            Options options;
            const std::string text = text_of(setting, PoolSettings{});
            const std::string wrong =
                complaint_of([&] { set_option(options, setting.key, {text.empty() ? "1" : text}); });
            if (contains(wrong, "is of the program's services")) continue;
            ++options_seen;
            if (!text.empty() && setting.key != "workers")
                CHECK(wrong == "");  // 0 workers can't be asked for.
        }
        CHECK(options_seen > 40);
        for (const Setting<MasterSettings>& setting : master_settings()) {
            CAPTURE(setting.key);
            Options options;
            set_option(options, setting.key, {text_of(setting, MasterSettings{})});
            CHECK(text_of(setting, master_settings_of(options)) == text_of(setting, MasterSettings{}));
        }
    }

    TEST_CASE("one option is set, and all others stay") {
        Options options;
        options.listen = {"127.0.0.1:1"};
        options.refusal = "no";
        set_option(options, "workers_max", {"12"});
        set_option(options, "listen", {"127.0.0.1:2", "127.0.0.1:3"});
        set_option(options, "drain_timeout", {"4"});
        CHECK(options.limits.workers_max == 12);
        CHECK(options.listen == std::vector<std::string>{"127.0.0.1:2", "127.0.0.1:3"});
        CHECK(options.drain_timeout == std::chrono::seconds{4});
        CHECK(options.refusal == "no");
        CHECK(options.limits.policy == SizingPolicy::spare);
        set_option(options, "workers", {"3"});
        CHECK(options.limits.policy == SizingPolicy::fixed);
        CHECK(options.limits.workers_max == 3);
    }

    TEST_CASE("what is wrong is one sentence that names the key") {
        const auto said = [](const char* key, const std::vector<std::string>& texts) {
            return complaint_of([&] {
                Options options;
                set_option(options, key, texts);
            });
        };
        CHECK(said("workers_max", {"0"}) == "workers_max: expected a number from 1 to 10000, got 0");
        CHECK(said("workers_max", {}) == "workers_max: expected a value, got none");
        CHECK(contains(said("service", {"http"}), "service is of the program's services"));
        CHECK(contains(said("error_page", {"404=x"}), "error_page is of the program's services"));
        CHECK(contains(said("worker_max", {"1"}),
                       "there is no option 'worker_max' (did you mean workers_max?)"));
        CHECK(contains(said("linger", {"1"}), "linger is called await_next now"));
    }
}
