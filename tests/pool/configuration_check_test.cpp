#include "pool/configuration_check.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "tests/contains.hpp"
#include "tests/core/open_descriptors.hpp"
#include "tests/pool/events_in_test.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

namespace {

Configuration one_pool(const std::string& text) {
    PoolOptions pool;
    pool.name = "web";
    pool.listen = {text, "127.0.0.1:0"};
    return {.pools = {pool}, .drain_timeout = 7s};
}

struct Checked {
    CheckResult result;
    std::string said;
};

/// Waits until the check is over, or its deadline has passed.
Checked checked(const ConfigurationSource& source, const std::vector<PresentPool>& present = {},
                std::chrono::milliseconds patience = 20s) {
    EventsInTest test;
    Events& events = test;
    SharedArray<ReloadNote> note{1};
    const TimePoint deadline = Clock::now() + patience;
    ConfigurationCheck check{source, present, note, events, deadline};
    for (;;) {
        events.wait_until(check.prepare_to_wait());
        if (auto result = check.attend(Clock::now())) {
            CHECK_FALSE(check.attend(Clock::now()));
            ::waitpid(-1, nullptr, 0);
            return {std::move(*result), note[0].said().text()};
        }
    }
}

ControlAnswer failure_of(const ConfigurationSource& source, const std::vector<PresentPool>& present = {},
                         std::chrono::milliseconds patience = 20s) {
    const Checked checked_one = checked(source, present, patience);
    CHECK(checked_one.result.listeners.empty());
    return checked_one.result.answer;
}

PresentPool present_pool(const std::string& name, const std::vector<std::string>& texts) {
    PresentPool pool;
    pool.options.name = name;
    pool.options.listen = pool.texts = texts;
    pool.options.of_pool = {{"model", "prefork"}, {"threads", "1"}};
    pool.workers_most = 100;
    return pool;
}

}  // namespace

TEST_SUITE("pool: the configuration check") {
    TEST_CASE("what is right comes back as its text, with the listeners that are new") {
        const long before = open_descriptors();
        {
            const Checked good = checked({[] { return "127.0.0.2:0"; }, one_pool});
            CHECK(good.result.answer.exit_status == 0);
            CHECK(good.said == "127.0.0.2:0");
            REQUIRE(good.result.listeners.size() == 2);
            for (std::uint32_t text : {0U, 1U}) {
                CHECK(good.result.listeners[text].pool == 0);
                CHECK(good.result.listeners[text].text == text);
            }
            CHECK(Address::of_socket(good.result.listeners[0].listener.get()).host() == "127.0.0.2");
            CHECK(Address::of_socket(good.result.listeners[1].listener.get()).port() != 0);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("a listener that the pool has already, or gets from another one, is not opened again") {
        std::vector<PresentPool> present = {present_pool("web", {"127.0.0.2:0"}),
                                            present_pool("other", {"127.0.0.3:0"})};
        const auto same = [](const std::string& text) {
            Configuration configuration = one_pool(text);
            configuration.pools[0].of_pool = {{"model", "prefork"}, {"threads", "1"}};
            return configuration;
        };
        const Checked good = checked({[] { return "127.0.0.2:0"; }, same}, present);
        REQUIRE(good.result.listeners.size() == 1);
        CHECK(good.result.listeners[0].text == 1);
        present[1].texts = {"127.0.0.1:0"};  // Of a pool that is no more wanted.
        CHECK(checked({[] { return "127.0.0.2:0"; }, same}, present).result.listeners.empty());
        const auto both = [&](const std::string& text) {
            Configuration configuration = same(text);
            configuration.pools.push_back(configuration.pools[0]);
            configuration.pools[1].name = "other";
            configuration.pools[1].listen = {"127.0.0.1:0"};
            return configuration;
        };
        CHECK(checked({[] { return "127.0.0.2:0"; }, both}, present).result.listeners.size() == 1);
    }

    TEST_CASE("what a pool that is there can't change is refused") {
        const auto with = [](auto change) {
            return [change](const std::string& text) {
                Configuration configuration = one_pool(text);
                configuration.pools[0].of_pool = {{"model", "prefork"}, {"threads", "1"}};
                change(configuration.pools[0]);
                return configuration;
            };
        };
        const std::vector<PresentPool> present = {present_pool("web", {"127.0.0.2:0", "127.0.0.1:0"})};
        const auto refusal = [&](auto change) {
            const ControlAnswer answer = failure_of({[] { return "127.0.0.2:0"; }, with(change)}, present);
            CHECK(answer.exit_status == 2);
            return answer.message;
        };
        CHECK(contains(refusal([](PoolOptions& pool) { pool.of_pool[1].text = "2"; }), "threads (1)"));
        CHECK(contains(refusal([](PoolOptions& pool) { pool.limits.workers_max = 101; }), "more than 100"));
        const auto others = [](PoolOptions& pool) {
            pool.name = "other";
            pool.of_pool[1].text = "2";
            pool.listen = {"127.0.0.1:0"};
        };
        CHECK(checked({[] { return "127.0.0.2:0"; }, with(others)}, present).result.answer.exit_status == 0);
    }

    TEST_CASE("what is wrong is refused with its sentence, what could not be done is a failure") {
        const ControlAnswer wrong =
            failure_of({[]() -> std::string { throw std::invalid_argument{"line 3 is wrong"}; }, one_pool});
        CHECK(wrong.exit_status == 2);
        CHECK(wrong.message == "line 3 is wrong");
        const ControlAnswer unable = failure_of({[] { return "192.0.2.1:0"; }, one_pool});
        CHECK(unable.exit_status == 1);
        CHECK(contains(unable.message, "192.0.2.1"));
    }

    TEST_CASE("a check that hangs is given up at its deadline, one that crashes at once") {
        const long before = open_descriptors();
        const ControlAnswer hung = failure_of({[]() -> std::string {
                                                   for (;;)
                                                       ::pause();
                                               },
                                               one_pool},
                                              {}, 50ms);
        CHECK(hung.exit_status == 1);
        CHECK(contains(hung.message, "too long"));
        const ControlAnswer crashed = failure_of({[]() -> std::string { ::_exit(3); }, one_pool});
        CHECK(crashed.exit_status == 1);
        CHECK(contains(crashed.message, "has died"));
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("the file of a UNIX socket goes with its listener, also if something else is wrong") {
        const std::string path = "/tmp/bullpen-check-" + std::to_string(::getpid());
        {
            Checked good = checked({[&] { return "unix:" + path; }, one_pool});
            REQUIRE(good.result.listeners.size() == 2);
            const Listener adopted = Listener::adopt(std::move(good.result.listeners[0].listener));
            CHECK(::access(path.c_str(), F_OK) == 0);
        }
        CHECK(::access(path.c_str(), F_OK) != 0);
        const auto taken = [&](const std::string& text) {
            Configuration configuration = one_pool(text);
            configuration.pools[0].listen.push_back("192.0.2.1:0");
            return configuration;
        };
        CHECK(failure_of({[&] { return "unix:" + path; }, taken}).exit_status == 1);
        CHECK(::access(path.c_str(), F_OK) != 0);
    }
}
