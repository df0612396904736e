#include "servers/settings/settings.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <variant>

#include <bullpen/serve.hpp>
#include "pool/admission.hpp"
#include "servers/bench/compare/contender.hpp"
#include "servers/models/models.hpp"
#include "servers/settings/setting_value.hpp"
#include "tests/complaint.hpp"
#include "tests/contains.hpp"
#include "tests/servers/settings/made_pool.hpp"

using namespace bullpen;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr const char* listeners[] = {"127.0.0.1:80", "[::1]:80", "unix:/run/web@home"};

PoolSettings with_listeners(const std::string& model = "prefork") {
    PoolSettings settings = under(model);
    settings.pool.listen = {std::begin(listeners), std::end(listeners)};
    return settings;
}

AdmissionOptions made(const Entries& entries) {
    return made_pool(entries, with_listeners()).admission;
}

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

/// What the program makes of the words, without what it adds for its service.
PoolOptions programs(const PoolSettings& settings) {
    return make_pool("web", settings, "", spell_as_flag);
}

/// All that can be set, by key.
std::map<std::string, std::string> all_of(const PoolOptions& pool) {
    PoolSettings settings;
    settings.pool = pool;
    std::map<std::string, std::string> values;
    for (const auto& setting : pool_settings())
        if (setting.key != "workers") values.emplace(setting.key, text_of(setting, settings));
    return values;
}

}  // namespace

TEST_SUITE("servers: settings") {
    TEST_CASE("what waits for its client is the service's to say, unless it is set") {
        CHECK(made_pool({}).handoff_when == HandoffWhen::readable);
        CHECK(made_pool({}).await_next == milliseconds{4});
        CHECK(made_pool({{"service", {"echo"}}}).handoff_when == HandoffWhen::accepted);
        CHECK(made_pool({{"service", {"echo"}}}).await_next == milliseconds{4});
        CHECK(made_pool({{"handoff_when", {"accepted"}}}).handoff_when == HandoffWhen::accepted);
        CHECK(made_pool({{"service", {"echo"}}, {"handoff_when", {"readable"}}}).handoff_when ==
              HandoffWhen::readable);
        CHECK(made_pool({{"await_next", {"0"}}}).await_next == milliseconds{0});
        CHECK(made_pool({{"await_next", {"250"}}}).await_next == milliseconds{250});
    }

    TEST_CASE("a new client is awaited by the master only where the master accepts") {
        CHECK(made_pool({}, under("fork")).handoff_when == HandoffWhen::readable);
        CHECK(made_pool({}, under("prethread")).handoff_when == HandoffWhen::accepted);
    }

    TEST_CASE("a crashed request is tried again once by http, unless that is set, and never elsewhere") {
        CHECK(made_pool({}).retry_crashed == 1);
        for (const char* const times : {"0", "3"})
            CHECK(made_pool({{"retry_crashed", {times}}}).retry_crashed == std::stoi(times));
        for (const char* const service : {"echo", "work"}) {
            CHECK(made_pool({{"service", {service}}}).retry_crashed == 0);
            CHECK(made_pool({{"service", {service}}, {"retry_crashed", {"2"}}}).retry_crashed == 2);
        }
        for (const char* const model : {"fork", "prefork-event"})
            CHECK(made_pool({}, under(model)).retry_crashed == 1);
        for (const char* const model : {"prethread", "event", "iterative"})
            CHECK(made_pool({}, under(model)).retry_crashed == 0);
    }

    TEST_CASE("the limits are the documented ones by default") {
        const PoolOptions pool = made_pool({});
        CHECK(pool.time_limits.idle == seconds{60});
        CHECK(pool.time_limits.header == seconds{10});
        CHECK(pool.time_limits.body == seconds{20});
        CHECK(pool.time_limits.body_rate == 500);
        CHECK(pool.time_limits.read == seconds{60});
        CHECK(pool.time_limits.write == seconds{30});
        CHECK(pool.time_limits.write_rate == 500);
        CHECK(pool.request_timeout == seconds{0});
        CHECK(pool.request_grace == seconds{5});
        CHECK(pool.stopped_timeout == seconds{10});
        CHECK(pool.queue == 0);
        CHECK(pool.queue_timeout == seconds{1});
        CHECK(pool.connections_max == 0);
    }

    TEST_CASE("the limits are those that were given") {
        const PoolOptions pool = made_pool({{"idle_timeout", {"1"}},
                                            {"header_timeout", {"2"}},
                                            {"body_timeout", {"3"}},
                                            {"body_rate", {"4"}},
                                            {"read_timeout", {"5"}},
                                            {"write_timeout", {"6"}},
                                            {"write_rate", {"0"}},
                                            {"request_timeout", {"8"}},
                                            {"request_grace", {"9"}},
                                            {"stopped_timeout", {"13"}},
                                            {"queue", {"10"}},
                                            {"queue_timeout", {"11"}},
                                            {"connections_max", {"12"}}});
        CHECK(pool.time_limits.idle == seconds{1});
        CHECK(pool.time_limits.header == seconds{2});
        CHECK(pool.time_limits.body == seconds{3});
        CHECK(pool.time_limits.body_rate == 4);
        CHECK(pool.time_limits.read == seconds{5});
        CHECK(pool.time_limits.write == seconds{6});
        CHECK(pool.time_limits.write_rate == 0);
        CHECK(pool.request_timeout == seconds{8});
        CHECK(pool.request_grace == seconds{9});
        CHECK(pool.stopped_timeout == seconds{13});
        CHECK(pool.queue == 10);
        CHECK(pool.queue_timeout == milliseconds{11});
        CHECK(pool.connections_max == 12);
    }

    TEST_CASE("what needs a master that accepts goes only with such models") {
        const Entries entries = {
            {"queue", {"1"}}, {"connections_max", {"1"}}, {"handoff_when", {"readable"}}};
        for (const auto& entry : entries) {
            CHECK(complaint({entry}, under("prethread")) ==
                  spell_as_flag(entry.first) +
                      " goes with models fork, prefork, prefork-event and inetd, whose master accepts, not "
                      "with model prethread");
            CHECK(complaint({entry}, under("prefork-event")).empty());
            CHECK(complaint({entry}, under("fork")).empty());
        }
        CHECK(complaint({{"queue", {"0"}}, {"handoff_when", {"accepted"}}}, under("event")).empty());
    }

    TEST_CASE("a worker awaits the next request only where the model parks") {
        for (const char* model : {"fork", "prefork-event", "prethread", "prefork-accept"})
            CHECK(
                complaint({{"await_next", {"5"}}}, under(model)) ==
                "--await-next goes with model prefork, whose workers give connections back, not with model " +
                    std::string{model});
    }

    TEST_CASE("select takes no more connections than an fd_set has room for") {
        CHECK(complaint({}, under("select")).empty());
        CHECK(complaint({{"capacity", {"1000"}}}, under("select")).empty());
        CHECK(complaint({{"capacity", {"1001"}}}, under("select")) ==
              "--capacity: model select can't watch descriptors above 1023 (FD_SETSIZE): expected at most "
              "1000 connections, got 1001");
        CHECK(complaint({{"capacity", {"1001"}}}, under("poll")).empty());
        CHECK(complaint({{"capacity", {"10"}}}, under("fork")) ==
              "--capacity goes with models event, prefork-event, select, poll, epoll and signal, not with "
              "model fork");
    }

    TEST_CASE("no process that serves others is ended for one slow request") {
        for (const char* model : {"event", "prefork-event", "thread", "prethread", "prethread-accept"})
            CHECK(complaint({{"request_timeout", {"4"}}}, under(model)) ==
                  "--request-timeout doesn't go with model " + std::string{model} +
                      ": the process that it would end serves other clients, too");
        for (const char* model : {"iterative", "fork", "prefork", "prefork-accept", "prefork-reuseport"})
            CHECK(complaint({{"request_timeout", {"4"}}}, under(model)).empty());
        CHECK(complaint({{"request_timeout", {"4"}}, {"threads", {"2"}}}).empty());
    }

    TEST_CASE("what is wrong is said with what is allowed") {
        CHECK(complaint({{"handoff_when", {"reedable"}}}) ==
              "--handoff-when: there is no handoff_when 'reedable' (did you mean readable?); known are "
              "readable "
              "and accepted");
        CHECK(complaint({{"await_next", {"1001"}}}) ==
              "--await-next: expected a number from 0 to 1000, got 1001");
        CHECK(complaint({{"idle_timeout", {"0"}}}) ==
              "--idle-timeout: expected a number from 1 to 86400, got 0");
        CHECK(complaint({{"queue_timeout", {"x"}}}) ==
              "--queue-timeout: expected a number from 1 to 3600000, got 'x'");
    }

    TEST_CASE("a NUL byte is refused in each setting, and no sentence ends at it") {
        for (const auto& setting : pool_settings()) {
            if (setting.key == "workers" || setting.is_number()) continue;
            CAPTURE(setting.key);
            PoolSettings settings;
            const std::string sentence = complaint_of<SettingError>([&] {
                set_from_text(settings, setting, {std::string{"a\0b", 3}}, setting.key);
            });
            CHECK(contains(sentence, "without a NUL byte, got 'a\\x00b'"));
        }
    }

    TEST_CASE("a name is UTF-8 on one line, whoever gives it") {
        for (const char* name : {"\xff", "a\nb", "", "\xed\xa0\x80"}) {
            CAPTURE(name);
            CHECK(contains(complaint_of<SettingError>([&] { make_pool(name, {}, "", spell_as_flag); }),
                           "--name: expected UTF-8 text without control bytes"));
            PoolOptions pool;
            pool.name = name;
            CHECK_THROWS_AS(make_pool(static_cast<const Options&>(pool), Form::blocking), SettingError);
        }
        CHECK_NOTHROW(
            make_pool("Gr\xc3\xbc\xc3\x9f"
                      "e",
                      {}, "", spell_as_flag));
    }

    TEST_CASE("all is off by default") {
        const AdmissionOptions admission = made({});
        CHECK_FALSE(Admission{admission, {}}.enabled());
        CHECK(admission.sources.prefix.v4 == 32);
        CHECK(admission.sources.prefix.v6 == 64);
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
        CHECK(admission.sources.prefix.v4 == 24);
        CHECK(admission.sources.prefix.v6 == 56);
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
              "--deny: there is no listener '[::1]:81' (did you mean [::1]:80?); known are [::1]:80, "
              "127.0.0.1:80 and unix:/run/web@home");
        CHECK(
            complaint({{"deny", {"::1@"}}}, with_listeners()).starts_with("--deny: there is no listener ''"));
        CHECK(complaint({{"allow", {"::1@unix:/run/web@home"}}}, with_listeners()) ==
              "--allow: the clients of unix:/run/web@home have no address; expected a TCP or UDP listener "
              "after the "
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
        CHECK(made({{"source_prefix", {"1:128"}}}).sources.prefix.v6 == 128);
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

    TEST_CASE("what the library is given is checked as flags are: every number's range") {
        for (const auto& setting : pool_settings()) {
            const auto is_it = [&](const auto& of_service) { return of_service.key == setting.key; };
            const auto& of_services = service_settings();  // They are no options of the library's.
            if (std::any_of(of_services.begin(), of_services.end(), is_it)) continue;
            if (!setting.is_number() || setting.key == "workers") continue;
            CAPTURE(setting.key);
            auto beyond = setting;
            beyond.most = setting.most + 1;
            PoolSettings settings;
            set_value(settings, beyond, {std::to_string(beyond.most)});
            settings.pool.design = prefork;
            CHECK_THROWS_WITH_AS(
                check(settings.pool, "", spell_as_key),
                (std::string{setting.key} + ": expected a number from " + std::to_string(setting.least) +
                 " to " + std::to_string(setting.most) + ", got " + std::to_string(beyond.most))
                    .c_str(),
                SettingError);
        }
    }

    TEST_CASE("a duration of the library's may be finer than the flag's unit, but not nothing") {
        PoolOptions pool;
        pool.design = prefork;
        pool.time_limits.idle = milliseconds{300};
        check(pool, "", spell_as_key);
        pool.time_limits.idle = milliseconds{0};
        CHECK_THROWS_WITH_AS(check(pool, "", spell_as_key),
                             "idle_timeout: expected a number from 1 to 86400, got 0", SettingError);
        pool.time_limits.idle = milliseconds{-1};
        CHECK_THROWS_AS(check(pool, "", spell_as_key), SettingError);
    }

    TEST_CASE("a library's mistakes end in one sentence and status 2, before anything is forked") {
        const auto status = [](const Options& options) {
            return serve(options, Handler{[](Connection&) {}});
        };
        CHECK(status({.limits = {.spare_min = -1}}) == 2);
        CHECK(status({.limits = {.spare_min = 9, .spare_max = 3}}) == 2);
        CHECK(status({.listen = {}}) == 2);
        CHECK(status({.model = "prefrok"}) == 2);
        CHECK(status({.model = "event"}) == 2);  // It serves coroutines.
        CHECK(status({.model = "prethread", .queue = 1}) == 2);
        CHECK(status({.queue = -1}) == 2);
        CHECK(status({.drain_timeout = seconds{-1}}) == 2);
        CHECK(status({.log = "fd:x"}) == 2);
    }

    TEST_CASE("a log is stderr, an open descriptor or a path, for the program and for the library") {
        const auto row = std::find_if(master_settings().begin(), master_settings().end(),
                                      [](const auto& setting) { return setting.key == "log"; });
        REQUIRE(row != master_settings().end());
        for (const char* text : {"off", "stdout", "-", "fd:", "fd:x", "fd:-1", "fd:+1", "fd:1 ", ""}) {
            CAPTURE(text);
            MasterSettings settings;
            CHECK(contains(
                complaint_of<SettingError>([&] { set_from_text(settings, *row, {text}, "--log"); }),
                *text == '\0' ? "--log: expected WHERE, got nothing" : "--log: expected stderr, fd:N"));
            Options options;
            options.log = text;
            CHECK(contains(complaint_of<SettingError>([&] { make_pool(options, Form::blocking); }),
                           "log: expected stderr, fd:N"));
        }
        for (const char* text : {"stderr", "fd:0", "fd:2147483647", "./off", "server.log", "/var/log/a b"}) {
            CAPTURE(text);
            MasterSettings settings;
            set_from_text(settings, *row, {text}, "--log");
            CHECK(settings.log.to == text);
        }
    }

    TEST_CASE("program, library and comparison make the same pool of the same words") {
        const Entries words = {{"listen", {"127.0.0.1:0"}},
                               {"spare_min", {"3"}},
                               {"spare_max", {"9"}},
                               {"workers_max", {"20"}},
                               {"workers_start", {"5"}},
                               {"shrink_window", {"7"}},
                               {"backlog", {"99"}},
                               {"unix_mode", {"0600"}},
                               {"scheduling", {"normal"}},
                               {"threads", {"2"}},
                               {"queue_ahead", {"2"}},
                               {"allow", {"10.0.0.0/8"}},
                               {"source_rate", {"7"}},
                               {"source_prefix", {"24:56"}},
                               {"startups", {"10:30:100"}},
                               {"handoff_when", {"readable"}},
                               {"retry_crashed", {"2"}},
                               {"await_next", {"20"}},
                               {"idle_timeout", {"11"}},
                               {"request_timeout", {"12"}},
                               {"request_grace", {"4"}},
                               {"stopped_timeout", {"13"}},
                               {"queue", {"14"}},
                               {"queue_timeout", {"15"}},
                               {"connections_max", {"1000"}},
                               {"defer_accept", {"2"}}};
        PoolSettings settings;
        for (const auto& [key, values] : words)
            for (const auto& setting : pool_settings())
                if (setting.key == key) set_from_text(settings, setting, values, setting.flag());
        const auto program = all_of(programs(settings));
        for (const auto& [key, values] : words) {
            CAPTURE(key);
            CHECK(program.at(key) == values.front());
        }
        CHECK(all_of(make_pool(Options{settings.pool}, Form::blocking)) == program);

        PoolSettings fixed;
        for (const auto& setting : pool_settings())
            if (setting.key == "workers") set_from_text(fixed, setting, {"8"}, "--workers");
        for (const Design& design : designs()) {
            CAPTURE(design.name);
            if (design.model.form == Form::program) continue;
            const auto contender = make_contender(design, services().front(), {}, 8, 1, {.concurrency = 8});
            REQUIRE(std::holds_alternative<Contender>(contender));
            PoolSettings same = fixed;
            same.pool.listen = {"127.0.0.1:0"};
            same.pool.model = design.model.name;
            same.pool.accept_lock = design.accept_lock;
            const PoolOptions& compared = std::get<Contender>(contender).server.pool;
            if (compared.limits.workers_max != 8) same.workers = compared.limits.workers_max;
            CHECK(all_of(compared) == all_of(programs(same)));
        }
    }
}
