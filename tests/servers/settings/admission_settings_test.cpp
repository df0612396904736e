#include "servers/settings/admission_settings.hpp"

#include <doctest/doctest.h>

#include "tests/servers/settings/made_pool.hpp"

using namespace bullpen;

namespace {

constexpr const char* listeners[] = {"127.0.0.1:80", "[::1]:80", "unix:/run/web@home"};

PoolSettings with_listeners(const std::string& model = "prefork") {
    PoolSettings settings = under(model);
    settings.listen = {std::begin(listeners), std::end(listeners)};
    return settings;
}

AdmissionOptions made(const Entries& entries) {
    return made_pool(entries, with_listeners()).admission;
}

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

}  // namespace

TEST_SUITE("servers: settings of admission") {
    TEST_CASE("all is off by default") {
        const AdmissionOptions admission = made({});
        CHECK_FALSE(Admission{admission, {}}.enabled());
        CHECK(admission.sources.prefix_v4 == 32);
        CHECK(admission.sources.prefix_v6 == 64);
        CHECK(admission.sources.ban_after == 5);
    }

    TEST_CASE("networks are for all listeners or for the one after the @") {
        const AdmissionOptions admission =
            made({{"allow", {"10.0.0.0/8", "::1@[::1]:80"}}, {"deny", {"10.1.0.0/16@127.0.0.1:80"}}});
        REQUIRE(admission.allow.size() == 2);
        CHECK(admission.allow[0].network.text() == "10.0.0.0/8");
        CHECK(admission.allow[0].listener.empty());
        CHECK(admission.allow[1].network.text() == "::1/128");
        CHECK(admission.allow[1].listener == "[::1]:80");
        REQUIRE(admission.deny.size() == 1);
        CHECK(admission.deny[0].listener == "127.0.0.1:80");
    }

    TEST_CASE("the limits are those that were given") {
        const AdmissionOptions admission = made({{"trusted_proxies", {"10.0.0.7", "10.0.1.0/24"}},
                                                 {"source_connections", {"9"}},
                                                 {"source_rate", {"8"}},
                                                 {"source_prefix", {"24:56"}},
                                                 {"source_ban", {"60"}},
                                                 {"source_ban_after", {"7"}},
                                                 {"startups", {"10:30:100"}}});
        CHECK(admission.sources.connections_max == 9);
        CHECK(admission.sources.rate_max == 8);
        CHECK(admission.sources.prefix_v4 == 24);
        CHECK(admission.sources.prefix_v6 == 56);
        CHECK(admission.sources.ban == std::chrono::seconds{60});
        CHECK(admission.sources.ban_after == 7);
        CHECK(admission.early_drop.begin == 10);
        CHECK(admission.early_drop.rate == 30);
        CHECK(admission.early_drop.full == 100);
        REQUIRE(admission.sources.trusted.size() == 2);
        CHECK(admission.sources.trusted[1].contains(ip("10.0.1.9")));
    }

    TEST_CASE("what is wrong is said in a sentence with the setting") {
        CHECK(
            complaint({{"allow", {"10.0.0.0/8", "10.0.0.1/8"}}}, with_listeners()) ==
            "--allow: '10.0.0.1/8' is not a network: bits beyond its prefix are set; expected 10.0.0.0/8 or "
            "10.0.0.1");
        CHECK(complaint({{"trusted_proxies", {"localhost"}}}, with_listeners())
                  .starts_with("--trusted-proxies: 'localhost' is not a network: expected "));
        CHECK(complaint({{"deny", {"::1@[::1]:81"}}}, with_listeners()) ==
              "--deny: there is no listener '[::1]:81'; known are 127.0.0.1:80, [::1]:80 and "
              "unix:/run/web@home "
              "(the nearest is [::1]:80)");
        CHECK(
            complaint({{"deny", {"::1@"}}}, with_listeners()).starts_with("--deny: there is no listener ''"));
        CHECK(complaint({{"allow", {"::1@unix:/run/web@home"}}}, with_listeners()) ==
              "--allow: the clients of unix:/run/web@home have no address; expected a TCP listener after the "
              "@");
        CHECK(complaint({{"startups", {"10:30"}}}, with_listeners())
                  .starts_with("--startups: '10:30' is no begin:rate:full; "));
        CHECK(complaint({{"source_ban", {"9"}}}, with_listeners()) ==
              "--source-ban needs --source-connections or --source-rate, whose refusals it counts");
    }

    TEST_CASE("prefixes are two, each within its address") {
        for (const char* text :
             {"32", "32:", ":64", "0:64", "33:64", "32:0", "32:129", "32:64:1", "x:y", "32:64 "}) {
            CAPTURE(text);
            CHECK(complaint({{"source_prefix", {text}}}, with_listeners())
                      .starts_with("--source-prefix: '" + std::string{text} + "' is no V4:V6; expected "));
        }
        CHECK(made({{"source_prefix", {"1:128"}}}).sources.prefix_v6 == 128);
    }

    TEST_CASE("each goes only with models whose master accepts") {
        const Entries settings = {{"allow", {"::1"}},           {"deny", {"::1"}},
                                  {"trusted_proxies", {"::1"}}, {"source_connections", {"1"}},
                                  {"source_rate", {"1"}},       {"source_prefix", {"24:56"}},
                                  {"source_ban", {"1"}},        {"source_ban_after", {"1"}},
                                  {"startups", {"1"}}};
        for (const auto& setting : settings) {
            const std::string flag = spell_as_flag(setting.first);
            for (const char* model :
                 {"iterative", "prefork-accept", "prefork-reuseport", "thread", "prethread"})
                CHECK(complaint({setting}, with_listeners(model)) ==
                      flag +
                          " goes with models fork, prefork, prefork-event and inetd, whose master accepts, "
                          "not with model " +
                          model);
            for (const char* model : {"fork", "prefork"})
                if (setting.first != "source_ban") CHECK(complaint({setting}, with_listeners(model)).empty());
        }
        CHECK(complaint({{"startups", {"0"}}, {"source_connections", {"0"}}}, with_listeners("prethread"))
                  .empty());
    }
}
