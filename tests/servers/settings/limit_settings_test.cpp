#include "servers/settings/limit_settings.hpp"

#include <doctest/doctest.h>

#include "tests/servers/settings/made_pool.hpp"

using namespace bullpen;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_SUITE("servers: settings of limits") {
    TEST_CASE("what waits for its client is the service's to say, unless it is set") {
        CHECK(made_pool({}).handoff_when == HandoffWhen::readable);
        CHECK(made_pool({}).await_next == milliseconds{4});
        CHECK(made_pool({{"service", {"echo"}}}).handoff_when == HandoffWhen::accepted);
        CHECK(made_pool({{"service", {"echo"}}}).await_next == milliseconds{4});
        CHECK(made_pool({{"handoff_when", {"accept"}}}).handoff_when == HandoffWhen::accepted);
        CHECK(made_pool({{"service", {"echo"}}, {"handoff_when", {"readable"}}}).handoff_when ==
              HandoffWhen::readable);
        CHECK(made_pool({{"linger", {"0"}}}).await_next == milliseconds{0});
        CHECK(made_pool({{"linger", {"250"}}}).await_next == milliseconds{250});
    }

    TEST_CASE("a new client is awaited by the master only where the master accepts") {
        CHECK(made_pool({}, under("fork")).handoff_when == HandoffWhen::readable);
        CHECK(made_pool({}, under("prethread")).handoff_when == HandoffWhen::accepted);
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
        CHECK(pool.request_limit == seconds{0});
        CHECK(pool.request_grace == seconds{5});
        CHECK(pool.stopped_limit == seconds{10});
        CHECK(pool.queue_max == 0);
        CHECK(pool.queue_wait == seconds{1});
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
        CHECK(pool.request_limit == seconds{8});
        CHECK(pool.request_grace == seconds{9});
        CHECK(pool.stopped_limit == seconds{13});
        CHECK(pool.queue_max == 10);
        CHECK(pool.queue_wait == milliseconds{11});
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
        CHECK(complaint({{"queue", {"0"}}, {"handoff_when", {"accept"}}}, under("event")).empty());
    }

    TEST_CASE("a worker may linger only where the model parks") {
        for (const char* model : {"fork", "prefork-event", "prethread", "prefork-accept"})
            CHECK(complaint({{"linger", {"4"}}}, under(model)) ==
                  "--linger goes with model prefork, whose workers give connections back, not with model " +
                      std::string{model});
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
              "there is no handoff_when 'reedable'; known are accept and readable (the nearest is readable)");
        CHECK(complaint({{"linger", {"1001"}}}) == "--linger: expected a number from 0 to 1000, got 1001");
        CHECK(complaint({{"idle_timeout", {"0"}}}) ==
              "--idle-timeout: expected a number from 1 to 86400, got 0");
        CHECK(complaint({{"queue_timeout", {"x"}}}) ==
              "--queue-timeout: expected a number from 1 to 3600000, got 'x'");
    }
}
