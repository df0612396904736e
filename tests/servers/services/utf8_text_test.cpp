#include "servers/services/utf8_text.hpp"

#include <doctest/doctest.h>

using bullpen::http::utf8_text;

TEST_SUITE("UTF-8 text") {
    TEST_CASE("what is UTF-8 stays as it is") {
        for (const char* text : {"", "abc", "\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF",
                                 "\xEE\x80\x80", "\xF4\x8F\xBF\xBF", "\x7F\x01"})
            CHECK(utf8_text(text) == text);
    }

    TEST_CASE("what isn't is shown as U+FFFD, and what stands beside it stays") {
        CHECK(utf8_text("Stra\xDF"
                        "e") ==
              "Stra\xEF\xBF\xBD"
              "e");
        CHECK(utf8_text("\xE9") == "\xEF\xBF\xBD");
        CHECK(utf8_text("a\xFF<") == "a\xEF\xBF\xBD<");
        CHECK(utf8_text("\xE2\x82<") == "\xEF\xBF\xBD<");            // Cut off.
        CHECK(utf8_text("\xC0\xAF") == "\xEF\xBF\xBD\xEF\xBF\xBD");  // Overlong.
        CHECK(utf8_text("\xE0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD");
        CHECK(utf8_text("\xED\xA0") == "\xEF\xBF\xBD\xEF\xBF\xBD");  // A surrogate.
        CHECK(utf8_text("\xF4\x90") == "\xEF\xBF\xBD\xEF\xBF\xBD");  // Beyond U+10FFFF.
        CHECK(utf8_text("\x80") == "\xEF\xBF\xBD");
    }
}
