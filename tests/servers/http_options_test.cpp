#include <bullpen/http.hpp>

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("http options") {
    TEST_CASE("they are as the program's http has them, as far as the model knows them") {
        for (const char* const model : {"prefork", "fork", "prethread", "prefork-accept"}) {
            const bool accepts = std::string_view{model}.ends_with("fork");
            const Options options = http_options({.name = "api", .model = model});
            CHECK(options.name == "api");
            CHECK(options.handoff_when == (accepts ? HandoffWhen::readable : HandoffWhen::accepted));
            CHECK(options.retry_crashed == (accepts ? 1 : 0));
            CHECK(options.parks_files == (options.model == "prefork"));
            CHECK(options.refusal.starts_with("HTTP/1.1 503 "));
        }
    }
}
