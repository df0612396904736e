#include "core/http/authority.hpp"

#include <doctest/doctest.h>

using namespace bullpen::http;

TEST_SUITE("authority") {
    TEST_CASE("a name or an address, and a port that may be empty") {
        for (const char* good :
             {"a", "example.com", "example.com:80", "a:", "127.0.0.1:8080", "[::1]", "[::1]:80",
              "[::1]:", "[::ffff:1.2.3.4]", "[v1.a:b]", "my_host", "a.", "%41b", "a!$&'()*+,;=~"})
            CHECK_MESSAGE(is_authority(good), good);
    }

    TEST_CASE("its parts are the host, an IPv6 address with its brackets, and the port") {
        CHECK(parse_authority("a.b:80")->host == "a.b");
        CHECK(parse_authority("a.b:80")->port == "80");
        CHECK(parse_authority("a:")->port.empty());
        CHECK(parse_authority("[::1]:8080")->host == "[::1]");
        CHECK(parse_authority("[::1]:8080")->port == "8080");
        CHECK_FALSE(parse_authority("a:b"));
    }

    TEST_CASE("whatever else is none") {
        for (const char* bad : {"",
                                ":",
                                ":80",
                                "a:b",
                                "a:1:2",
                                "a:80 ",
                                "a b",
                                "a/b",
                                "a?b",
                                "a#b",
                                "a@b",
                                "u:p@b",
                                "[",
                                "[]",
                                "[::1",
                                "[::1].",
                                "[::1]a",
                                "[::1]:x",
                                "[::1]]",
                                "[[::1]]",
                                "[a]",
                                "[1.2.3.4]",
                                "[fe80::1%eth0]",
                                "[fe80::1%25eth0]",
                                "[v1.]",
                                "[v.a]",
                                "[vg.a]",
                                "[v1]",
                                "a[",
                                "a]",
                                "[::1]:1:2",
                                "\xe9",
                                "caf\xc3\xa9",
                                "%zz",
                                "%4",
                                "a%",
                                "a\\b",
                                "a\"b",
                                "a<b",
                                "a^b",
                                "a`b",
                                "a{b",
                                "a|b",
                                "::1",
                                "a\tb",
                                "a:8\xb9"})
            CHECK_MESSAGE(!is_authority(bad), bad);
    }

    TEST_CASE("where a port is required, it has a digit at least") {
        CHECK(is_authority("a:1", Port::required));
        CHECK(is_authority("[::1]:443", Port::required));
        for (const char* bad : {"a", "a:", "[::1]", "[::1]:", "a:x", ":1"})
            CHECK_MESSAGE(!is_authority(bad, Port::required), bad);
    }
}
