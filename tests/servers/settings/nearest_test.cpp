#include "servers/settings/nearest.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_SUITE("cli: the nearest name") {
    TEST_CASE("the edit distance counts changed, missing, surplus and swapped letters") {
        CHECK(edit_distance("", "") == 0);
        CHECK(edit_distance("prefork", "prefork") == 0);
        CHECK(edit_distance("", "fork") == 4);
        CHECK(edit_distance("fork", "") == 4);
        CHECK(edit_distance("fork", "work") == 1);
        CHECK(edit_distance("prefok", "prefork") == 1);
        CHECK(edit_distance("preforkk", "prefork") == 1);
        CHECK(edit_distance("prefrok", "prefork") == 1);
        CHECK(edit_distance("kitten", "sitting") == 3);
    }

    TEST_CASE("the distance is the same both ways") {
        for (const char* a : {"", "ab", "ba", "fork", "prefork"})
            for (const char* b : {"x", "ab", "forks", "iterative"})
                CHECK(edit_distance(a, b) == edit_distance(b, a));
    }

    TEST_CASE("the candidate with the smallest distance is the nearest, the first of several") {
        CHECK(nearest("prefrok", {"iterative", "fork", "prefork"}) == "prefork");
        CHECK(nearest("forc", {"iterative", "fork", "prefork"}) == "fork");
        CHECK(nearest("ab", {"ax", "ay"}) == "ax");
        CHECK(nearest("fork", {"fork"}) == "fork");
    }

    TEST_CASE("a name without a letter in its place has no nearest one") {
        CHECK_FALSE(nearest("xyz", {"fork", "echo"}));
        CHECK_FALSE(nearest("", {"fork"}));
        CHECK_FALSE(nearest("fork", {}));
    }

    TEST_CASE("the sentence for an unknown name tells the known ones and the nearest") {
        CHECK(no_such("model", "prefrok", {"iterative", "fork", "prefork"}) ==
              "there is no model 'prefrok' (did you mean prefork?); known are prefork, fork and iterative");
        CHECK(no_such("service", "xyzzy", {"http", "echo"}) ==
              "there is no service 'xyzzy'; known are http and echo");
        CHECK(no_such("key", "b\n", {"a1", "a2", "a3", "a4", "b", "a5", "a6"}) ==
              "there is no key 'b\\x0a' (did you mean b?); known are b, a1, a2, a3, a4 and 2 more");
    }
}
