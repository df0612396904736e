#include "servers/bench/text/text_table.hpp"

#include <doctest/doctest.h>

#include "servers/bench/text/number_cell.hpp"

using namespace bullpen;

TEST_SUITE("cli: text in columns") {
    TEST_CASE("the first column is left, numbers are right, and a column is as wide as its widest cell") {
        TextTable table{{"model", "µs", "note"}};
        table.align_left(2);
        table.add({"a", "1,234", "x"});
        table.add({"longer", "1"});
        CHECK(table.text() ==
              "model     µs note\n"
              "a      1,234 x\n"
              "longer     1\n");
    }

    TEST_CASE("a table that would be too wide has its widest numbers written shorter") {
        TextTable table{{"model", "µs", "n"}};
        table.add({"a model", number_cell(1'234'567, "1,234,567"), count_cell(17)});
        table.add({"b", number_cell(12, "12.00"), count_cell(170'000)});
        CHECK(table.text(25) ==
              "model          µs       n\n"
              "a model 1,234,567      17\n"
              "b           12.00 170,000\n");
        CHECK(table.text(18) ==
              "model     µs     n\n"
              "a model 1.2M    17\n"
              "b       12.0  170k\n");
        CHECK(width_of(table.text(2)) > 2);  // A name is never cut.
    }

    TEST_CASE("lines break between words, and later ones are indented") {
        CHECK(wrap("", 10, 0) == "\n");
        CHECK(wrap("short", 10, 2) == "short\n");
        CHECK(wrap("one two three", 7, 2) == "one two\n  three\n");
        CHECK(wrap("ends with blanks  ", 80, 0) == "ends with blanks\n");
        CHECK(wrap("name   value value", 12, 7) == "name   value\n       value\n");
        CHECK(wrap("unbreakable_word x", 4, 0) == "unbreakable_word\nx\n");
    }
}
