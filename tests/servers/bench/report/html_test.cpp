#include "servers/bench/report/html.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: HTML") {
    TEST_CASE("texts and attributes are escaped, elements are closed in turn") {
        Html html;
        html.open("p", {{"title", "a \"b\" & 'c'"}}).text("1 < 2").element("b", {}, ">").close();
        html.empty("rect", {{"x", "1"}});
        CHECK(html.take() ==
              "<p title=\"a &quot;b&quot; &amp; &#39;c&#39;\">1 &lt; 2<b>&gt;</b></p><rect x=\"1\"/>");
    }

    TEST_CASE("coordinates are short") {
        CHECK(coordinate(12) == "12");
        CHECK(coordinate(12.5) == "12.5");
        CHECK(coordinate(0.333333) == "0.33");
        CHECK(coordinate(-0.001) == "0");
        CHECK(percent_coordinate(0.125) == "12.5%");
    }
}
