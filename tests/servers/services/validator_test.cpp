#include "servers/services/validator.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace bullpen::http;

TEST_SUITE("validator") {
    constexpr std::time_t modified = 784'111'777;
    constexpr std::time_t now = modified + 1;
    const Validator validator{{.tv_sec = modified, .tv_nsec = 5}, 128, now};
    const std::string tag{validator.entity_tag()};
    constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";
    constexpr std::string_view earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
    constexpr std::string_view later = "Sun, 06 Nov 1994 08:49:38 GMT";

    TEST_CASE("the tag changes with the size and with every nanosecond") {
        CHECK(tag == "\"ae1b981bc490a05-80\"");
        CHECK(Validator{{.tv_sec = modified, .tv_nsec = 6}, 128, now}.entity_tag() != tag);
        CHECK(Validator{{.tv_sec = modified, .tv_nsec = 5}, 129, now}.entity_tag() != tag);
        CHECK(validator.last_modified() == date);
    }

    TEST_CASE("a coding makes another tag") {
        const Validator coded{{.tv_sec = modified, .tv_nsec = 5}, 128, now, "br"};
        CHECK(coded.entity_tag() == "\"ae1b981bc490a05-80-br\"");
        CHECK_FALSE(coded.is_older_than(validator));
        CHECK_FALSE(Validator{{.tv_sec = modified, .tv_nsec = 4}, 128, now}.is_older_than(validator));
        CHECK(Validator{{.tv_sec = modified - 1, .tv_nsec = 9}, 128, now}.is_older_than(validator));
    }

    TEST_CASE("the longest tag fits") {
        const Validator largest{{.tv_sec = -1, .tv_nsec = 0}, ~std::uint64_t{0}, now, "gzip"};
        CHECK(largest.entity_tag().ends_with("-ffffffffffffffff-gzip\""));
    }

    TEST_CASE("a file of the far future is newer than others, and has a tag") {
        const Validator far{{.tv_sec = 15'000'000'000, .tv_nsec = 0}, 1, now};
        CHECK(validator.is_older_than(far));
        CHECK_FALSE(far.is_older_than(validator));
        CHECK(far.entity_tag().ends_with("-1\""));
    }

    TEST_CASE("a file from before 1970 has no date, because it would be another file's") {
        CHECK_FALSE(Validator{{.tv_sec = -1, .tv_nsec = 0}, 1, now}.has_date());
        CHECK(Validator{{.tv_sec = 0, .tv_nsec = 0}, 1, now}.has_date());
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

    TEST_CASE("several lines of tags are one list") {
        FieldLines lines{std::string_view{"\"x\""}};
        const std::string second = "\"y\", " + tag;
        lines.add(second);
        CHECK(validator.evaluate({.if_none_match = lines}) == Precondition::not_modified);
        CHECK(validator.evaluate({.if_match = lines}) == Precondition::proceed);
        FieldLines others{std::string_view{"\"x\""}};
        others.add("\"y\"");
        CHECK(validator.evaluate({.if_none_match = others}) == Precondition::proceed);
        CHECK(validator.evaluate({.if_match = others}) == Precondition::failed);
    }

    TEST_CASE("an empty list of tags is there, and names no state") {
        CHECK(validator.evaluate({.if_match = ""}) == Precondition::failed);
        CHECK(validator.evaluate({.if_none_match = "", .if_modified_since = date}) == Precondition::proceed);
        CHECK_FALSE(validator.allows_range({.if_range = ""}));
    }

    TEST_CASE("a date that comes twice is none") {
        FieldLines twice{date};
        twice.add(date);
        CHECK(validator.evaluate({.if_modified_since = twice}) == Precondition::proceed);
        FieldLines earlier_twice{earlier};
        earlier_twice.add(earlier);
        CHECK(validator.evaluate({.if_unmodified_since = earlier_twice}) == Precondition::proceed);
        CHECK_FALSE(validator.allows_range({.if_range = twice}));
    }

    TEST_CASE("a file has no date until the second of its modification is over, nor one of the future") {
        for (const std::time_t second : {modified, modified - 1, modified - 100}) {
            const Validator young{{.tv_sec = modified, .tv_nsec = 999'999'999}, 128, second};
            CHECK_FALSE(young.has_date());
            CHECK(young.last_modified().empty());
            for (const std::string_view any : {earlier, date, later}) {
                CHECK(young.evaluate({.if_modified_since = any}) == Precondition::proceed);
                CHECK(young.evaluate({.if_unmodified_since = any}) == Precondition::failed);
                CHECK_FALSE(young.allows_range({.if_range = any}));
            }
            CHECK(young.allows_range({.if_range = young.entity_tag()}));
        }
        CHECK(validator.has_date());
    }

    TEST_CASE("what has no state proceeds, unless a condition is that it isn't there or has one") {
        const Validator none;
        CHECK(none.entity_tag().empty());
        CHECK_FALSE(none.has_date());
        CHECK(none.evaluate({.if_match = "*"}) == Precondition::proceed);
        CHECK(none.evaluate({.if_match = tag}) == Precondition::failed);
        CHECK(none.evaluate({.if_none_match = "*"}) == Precondition::not_modified);
        CHECK(none.evaluate({.if_none_match = tag}) == Precondition::proceed);
        CHECK(none.evaluate({.if_modified_since = later}) == Precondition::proceed);
        CHECK(none.evaluate({.if_unmodified_since = earlier}) == Precondition::proceed);
    }
}
