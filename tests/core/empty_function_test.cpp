#include <bullpen/detail/empty_function.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>

#include <bullpen/http_handler.hpp>
#include <bullpen/messages.hpp>
#include <bullpen/per_worker.hpp>

using namespace bullpen;

TEST_SUITE("core: empty functions") {
    TEST_CASE("an empty function and a null pointer to one are empty, and nothing else is") {
        int calls = 0;
        using Plain = void (*)(Connection&);
        CHECK(detail::is_empty_function(std::function<void(Connection&)>{}));
        CHECK(detail::is_empty_function(Plain{}));
        CHECK_FALSE(detail::is_empty_function([](Connection&) {}));
        CHECK_FALSE(detail::is_empty_function([&calls](auto&) { ++calls; }));
        CHECK_FALSE(detail::is_empty_function(std::function<void(Connection&)>{[](Connection&) {}}));
    }

    TEST_CASE("a handler around an empty function is empty, in every form") {
        CHECK_FALSE(Handler{std::function<void(Connection&)>{}});
        CHECK(Handler{[](Connection&) {}});
        CHECK_FALSE(PerWorker<Handler>{std::function<Next(Connection&)>{}});
        CHECK_FALSE(PerWorker<Handler>{std::function<Handler(WorkerContext&)>{}});
        CHECK_FALSE(Handler{by_lines(std::function<void(Connection&, std::string_view)>{})});
        CHECK_FALSE(Handler{http_handler(std::function<HttpAnswer(const HttpRequest&)>{})});
        CHECK(Handler{http_handler([](const HttpRequest&) { return HttpAnswer{}; })});
    }

    TEST_CASE("a maker that makes an empty handler throws") {
        const PerWorker<Handler> made = [](WorkerContext&) { return std::function<void(Connection&)>{}; };
        REQUIRE(made);
        WorkerContext worker;
        CHECK_THROWS_AS(made(worker), std::invalid_argument);
    }
}
