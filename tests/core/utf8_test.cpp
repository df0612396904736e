#include "core/utf8.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("core: UTF-8") {
    TEST_CASE("well-formed characters of each size are UTF-8 and stay as they are") {
        for (const char* text : {"", "web", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                                 "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
            CAPTURE(text);
            CHECK(is_utf8(text));
            CHECK(to_utf8(text) == text);
        }
    }

    TEST_CASE("each byte of anything else becomes U+FFFD") {
        const std::string one = "\xef\xbf\xbd";
        const std::pair<const char*, int> cases[] = {
            {"\x80", 1},  // A second byte without its first.
            {"\xff", 1},
            {"\xc0\xaf", 2},  // Longer than need be,
            {"\xe0\x9f\xbf", 3},
            {"\xf0\x8f\xbf\xbf", 4},  // too.
            {"\xed\xa0\x80", 3},      // A surrogate.
            {"\xf4\x90\x80\x80", 4},  // Beyond Unicode.
            {"\xc2", 1},
            {"\xe2\x82", 2},  // Cut off.
        };
        for (const auto& [text, bytes] : cases) {
            CAPTURE(text);
            CHECK_FALSE(is_utf8(text));
            std::string expected;
            for (int i = 0; i < bytes; ++i)
                expected += one;
            CHECK(to_utf8(text) == expected);
            CHECK(to_utf8("a" + std::string{text} + "b") == "a" + expected + "b");
        }
    }

    TEST_CASE("what comes out is UTF-8, whatever goes in") {
        for (int first = 0; first < 256; ++first)
            for (int second = 0; second < 256; ++second)
                for (const char third : {'a', '\x80', '\xbf'}) {
                    const std::string text{static_cast<char>(first), static_cast<char>(second), third};
                    CHECK(is_utf8(to_utf8(text)));
                }
    }
}
