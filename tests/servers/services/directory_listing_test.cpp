#include "servers/services/directory_listing.hpp"

#include <doctest/doctest.h>

#include "tests/contains.hpp"

using bullpen::contains;
using namespace bullpen::http;

TEST_SUITE("directory listing") {
    TEST_CASE("directories come first, then names as people sort") {
        const std::string page = directory_page("", {.entries = {{.name = "b"},
                                                                 {.name = "Ab"},
                                                                 {.name = "a"},
                                                                 {.name = "z", .is_directory = true},
                                                                 {.name = "\xC3\xBC"},
                                                                 {.name = "A"}}});
        std::size_t last = 0;
        for (const char* link : {">z/<", ">A<", ">a<", ">Ab<", ">b<", ">\xC3\xBC<"}) {
            CAPTURE(link);
            const std::size_t position = page.find(link);
            REQUIRE(position != std::string::npos);
            CHECK(position > last);
            last = position;
        }
    }

    TEST_CASE("names and paths are escaped") {
        const std::string page =
            directory_page("<i>/", {.entries = {{.name = "<script>alert('1')</script>&\".html"}}});
        CHECK_FALSE(contains(page, "<script"));
        CHECK_FALSE(contains(page, "<i>"));
        CHECK(contains(page, "Index of /&lt;i&gt;/"));
        CHECK(contains(page, "href=\"%3Cscript%3Ealert%28%271%27%29%3C/script%3E%26%22.html\""));
        CHECK(contains(page, ">&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;.html<"));
    }

    TEST_CASE("a name that isn't UTF-8 is shown with U+FFFD and linked by its bytes") {
        const std::string page = directory_page("d\xE9/", {.entries = {{.name = "Stra\xDF"
                                                                                "e"}}});
        CHECK(contains(page,
                       "<a href=\"Stra%DFe\">Stra\xEF\xBF\xBD"
                       "e</a>"));
        CHECK(contains(page, "Index of /d\xEF\xBF\xBD/"));
    }

    TEST_CASE("no name can become another kind of link") {
        CHECK(contains(directory_page("", {.entries = {{.name = "javascript:alert(1)"}}}),
                       "href=\"javascript%3Aalert%281%29\""));
    }

    TEST_CASE("only a directory below the root has a way up") {
        CHECK_FALSE(contains(directory_page("", {}), "../"));
        CHECK(contains(directory_page("a/", {}), "href=\"../\""));
    }

    TEST_CASE("size and date are shown, and that something is missing") {
        DirectoryEntries found{.entries = {{.name = "a", .size = 1536, .modified = 784'111'777}}};
        const std::string page = directory_page("", found);
        CHECK(contains(page, "<td>1.5 KiB</td><td>1994-11-06 08:49</td>"));
        CHECK_FALSE(contains(page, "more entries"));
        found.complete = false;
        CHECK(contains(directory_page("", found), "more entries"));
    }

    TEST_CASE("the page is whole and asks for nothing else") {
        const std::string page = directory_page("", {});
        CHECK(page.starts_with("<!doctype html>\n"));
        CHECK(page.ends_with("</html>\n"));
        CHECK(contains(page, "charset=\"utf-8\""));
        for (const char* external : {"src=", "url(", "http:", "https:", "<link", "<script"})
            CHECK_FALSE(contains(page, external));
    }

    TEST_CASE("sizes are short and in the right unit") {
        CHECK(readable_size(0) == "0 B");
        CHECK(readable_size(1023) == "1023 B");
        CHECK(readable_size(1024) == "1.0 KiB");
        CHECK(readable_size(10 * 1024) == "10 KiB");
        CHECK(readable_size(1024 * 1024 - 1) == "1.0 MiB");
        CHECK(readable_size(~std::uint64_t{0}) == "16 EiB");
    }
}
