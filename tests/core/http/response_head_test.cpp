#include "core/http/response_head.hpp"

#include <doctest/doctest.h>

#include <array>
#include <stdexcept>

using namespace bullpen::http;

TEST_SUITE("response head") {
    TEST_CASE("a head is a status line, fields and an empty line") {
        std::array<char, 128> room;
        ResponseHead head{room, Status::not_found};
        head.add("Allow", "GET");
        head.add("Content-Length", 18'446'744'073'709'551'615U);
        CHECK(head.finish() ==
              "HTTP/1.1 404 Not Found\r\nAllow: GET\r\nContent-Length: 18446744073709551615\r\n\r\n");
    }

    TEST_CASE("a head that doesn't fit throws and writes nothing behind its room") {
        std::array<char, 40> room;
        room.fill('x');
        ResponseHead head{std::span{room}.first(20), Status::ok};
        CHECK_THROWS_AS(head.add("Name", "value"), std::length_error);
        for (std::size_t i = 20; i < room.size(); ++i)
            CHECK(room[i] == 'x');
    }
}
