#include "servers/services/validator.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace bullpen::http;

TEST_SUITE("validator") {
    const Validator validator{{.tv_sec = 784'111'777, .tv_nsec = 5}, 128};
    const std::string tag{validator.entity_tag()};
    constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";
    constexpr std::string_view earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
    constexpr std::string_view later = "Sun, 06 Nov 1994 08:49:38 GMT";

    TEST_CASE("the tag changes with the size and with every nanosecond") {
        CHECK(tag == "\"ae1b981bc490a05-80\"");
        CHECK(Validator{{.tv_sec = 784'111'777, .tv_nsec = 6}, 128}.entity_tag() != tag);
        CHECK(Validator{{.tv_sec = 784'111'777, .tv_nsec = 5}, 129}.entity_tag() != tag);
        CHECK(validator.last_modified() == date);
    }

    TEST_CASE("the longest tag fits") {
        const Validator largest{{.tv_sec = -1, .tv_nsec = 0}, ~std::uint64_t{0}};
        CHECK(largest.entity_tag().ends_with("-ffffffffffffffff\""));
    }

    TEST_CASE("without conditions the request proceeds") {
        CHECK(validator.evaluate({}) == Precondition::proceed);
    }

    TEST_CASE("If-None-Match finds the tag in a list, weak or strong") {
        for (const std::string& list :
             {tag, "W/" + tag, "\"x\", " + tag, "\"a,b\" ,W/\"y\"," + tag + ", \"z\"", std::string{"*"}}) {
            CAPTURE(list);
            CHECK(validator.evaluate({.if_none_match = list}) == Precondition::not_modified);
        }
        for (const std::string& list :
             {std::string{"\"x\""}, std::string{"x"}, tag.substr(1), tag.substr(0, tag.size() - 1),
              std::string{"W/"}, std::string{","}, "x " + tag}) {
            CAPTURE(list);
            CHECK(validator.evaluate({.if_none_match = list}) == Precondition::proceed);
        }
    }

    TEST_CASE("If-Modified-Since counts only without If-None-Match") {
        CHECK(validator.evaluate({.if_modified_since = date}) == Precondition::not_modified);
        CHECK(validator.evaluate({.if_modified_since = later}) == Precondition::not_modified);
        CHECK(validator.evaluate({.if_modified_since = earlier}) == Precondition::proceed);
        CHECK(validator.evaluate({.if_modified_since = "rubbish"}) == Precondition::proceed);
        CHECK(validator.evaluate({.if_none_match = "\"x\"", .if_modified_since = date}) ==
              Precondition::proceed);
    }

    TEST_CASE("If-Match and If-Unmodified-Since fail when the file has changed") {
        CHECK(validator.evaluate({.if_match = tag}) == Precondition::proceed);
        CHECK(validator.evaluate({.if_match = "*"}) == Precondition::proceed);
        CHECK(validator.evaluate({.if_match = "\"x\""}) == Precondition::failed);
        const std::string weak = "W/" + tag;
        CHECK(validator.evaluate({.if_match = weak}) == Precondition::failed);
        CHECK(validator.evaluate({.if_unmodified_since = date}) == Precondition::proceed);
        CHECK(validator.evaluate({.if_unmodified_since = earlier}) == Precondition::failed);
        CHECK(validator.evaluate({.if_match = tag, .if_unmodified_since = earlier}) == Precondition::proceed);
    }

    TEST_CASE("a part is sent only of exactly the state that If-Range names") {
        const std::string weak = "W/" + tag;
        CHECK(validator.allows_range({}));
        CHECK(validator.allows_range({.if_range = tag}));
        CHECK(validator.allows_range({.if_range = date}));
        CHECK_FALSE(validator.allows_range({.if_range = later}));
        CHECK_FALSE(validator.allows_range({.if_range = weak}));
        CHECK_FALSE(validator.allows_range({.if_range = "\"x\""}));
    }
}
