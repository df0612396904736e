#include "servers/services/error_page.hpp"

#include <doctest/doctest.h>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;
using namespace bullpen::http;

TEST_SUITE("error page") {
    TEST_CASE("a status and a file below the root") {
        const ErrorPage page = ErrorPage::parse("404=errors/404.html");
        CHECK(page.code == 404);
        CHECK(page.file == "errors/404.html");
        CHECK(page.text() == "404=errors/404.html");
        CHECK(ErrorPage::parse("503=//a=b").file == "a=b");
    }

    TEST_CASE("anything else is refused") {
        for (const char* text :
             {"", "404", "404=", "404=/", "=a", "399=a", "600=a", "0404=a", "+404=a", "4x4=a", "200=a",
              "299=a", "418=a", "499=a", "599=a", "65940=a", " 404=a", "404 =a"}) {
            CAPTURE(text);
            CHECK(contains(complaint_of([&] { ErrorPage::parse(text); }),
                           "' is no CODE=FILE; expected one of the statuses 400, 403, 404, 405, 412, 414, "
                           "416, 431, 500, 501, 503, 505 and a file below the root"));
        }
    }
}
