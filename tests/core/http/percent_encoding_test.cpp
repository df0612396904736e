#include "core/http/percent_encoding.hpp"

#include <doctest/doctest.h>

using namespace bullpen::http;

TEST_SUITE("percent encoding") {
    TEST_CASE("every byte survives encoding and decoding") {
        std::string bytes;
        for (int c = 0; c < 256; ++c)
            bytes += static_cast<char>(c);
        CHECK(percent_decode(percent_encode(bytes)) == bytes);
    }

    TEST_CASE("what is encoded needs no escaping in a header or an attribute") {
        CHECK(percent_encode("a b/<ü>\"'&%\r\n:") == "a%20b/%3C%C3%BC%3E%22%27%26%25%0D%0A%3A");
    }

    TEST_CASE("within a segment a slash is encoded, too") {
        CHECK(percent_encode_segment("a/b c") == "a%2Fb%20c");
    }

    TEST_CASE("text is decoded once, not twice") {
        CHECK(percent_decode("%252e%252E") == "%2e%2E");
        CHECK(percent_decode("a+b") == "a+b");
    }

    TEST_CASE("a percent sign without two hexadecimal digits is refused") {
        for (const char* bad : {"%", "%4", "a%", "%zz", "%4g", "%%41", "% 1", "%-1"})
            CHECK(!percent_decode(bad));
    }
}
