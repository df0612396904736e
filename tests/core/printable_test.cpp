#include "core/printable.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

TEST_CASE("core: printable text is one line, whatever bytes it has") {
    using namespace std::string_view_literals;
    CHECK(printable("plain text, 100 %") == "plain text, 100 %");
    CHECK(printable("a\nb\x1b[31m\x7f\0"sv) == "a\\x0ab\\x1b[31m\\x7f\\x00");
    CHECK(printable("\xc3\xa4") == "\xc3\xa4");
}
