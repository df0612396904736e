#include "servers/services/command_words.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace bullpen;

using Words = std::vector<std::string>;

TEST_SUITE("servers: the words of a command") {
    TEST_CASE("blanks and newlines separate words") {
        CHECK(command_words("").empty());
        CHECK(command_words(" \t\r\n").empty());
        CHECK(command_words("ls -l  /tmp\n") == Words{"ls", "-l", "/tmp"});
    }

    TEST_CASE("a quote keeps blanks, and joins what stands beside it") {
        CHECK(command_words("echo 'a b' \"c  d\"") == Words{"echo", "a b", "c  d"});
        CHECK(command_words("a'b c'd\"e f\"") == Words{"ab cde f"});
        CHECK(command_words("'' \"\"") == Words{"", ""});
        CHECK(command_words("'\"' \"'\"") == Words{"\"", "'"});
    }

    TEST_CASE("a backslash takes the next byte as it is, but within single quotes") {
        CHECK(command_words(R"(a\ b \' "\"" '\')") == Words{"a b", "'", "\"", "\\"});
    }

    TEST_CASE("nothing else has a meaning") {
        CHECK(command_words("echo $HOME * > x; ls | wc & `id` ~ #") ==
              Words{"echo", "$HOME", "*", ">", "x;", "ls", "|", "wc", "&", "`id`", "~", "#"});
    }

    TEST_CASE("what has no end, and a NUL byte, get a sentence") {
        CHECK_THROWS_WITH_AS(command_words("echo 'a"), "the quote ' has no end", std::invalid_argument);
        CHECK_THROWS_WITH_AS(command_words("echo \"a\\\""), "the quote \" has no end", std::invalid_argument);
        CHECK_THROWS_WITH_AS(command_words("echo \\"), "nothing follows the last backslash",
                             std::invalid_argument);
        CHECK_THROWS_AS(command_words(std::string_view{"a\0b", 3}), std::invalid_argument);
    }
}
