#include "servers/services/byte_range.hpp"

#include <doctest/doctest.h>

using namespace bullpen::http;
using Kind = ByteRange::Kind;

namespace {

void check_part(const char* header, std::uint64_t size, std::uint64_t first, std::uint64_t count) {
    CAPTURE(header);
    const ByteRange range = parse_byte_range(header, size);
    CHECK(range.kind == Kind::part);
    CHECK(range.first == first);
    CHECK(range.count == count);
}

}  // namespace

TEST_SUITE("byte range") {
    TEST_CASE("a range is cut to the file") {
        check_part("bytes=0-0", 10, 0, 1);
        check_part("bytes=2-5", 10, 2, 4);
        check_part("bytes=2-", 10, 2, 8);
        check_part("bytes=9-9", 10, 9, 1);
        check_part("bytes=2-99999999999999999999999", 10, 2, 8);
        check_part("Bytes=0-99", 10, 0, 10);
    }

    TEST_CASE("one range beside empty elements is one range") {
        for (const char* header :
             {"bytes=2-5,", "bytes=,2-5", "bytes=, ,\t2-5 ,, ,", "bytes=2-5 ,", "bytes= ,2-5"})
            check_part(header, 10, 2, 4);
        check_part("bytes=-3,", 10, 7, 3);
        CHECK(parse_byte_range("bytes=10-,", 10).kind == Kind::unsatisfiable);
    }

    TEST_CASE("a suffix counts from the end") {
        check_part("bytes=-3", 10, 7, 3);
        check_part("bytes=-30", 10, 0, 10);
        check_part("bytes=-99999999999999999999999", 10, 0, 10);
    }

    TEST_CASE("what lies beyond the end can't be satisfied") {
        for (const char* header : {"bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"})
            CHECK(parse_byte_range(header, 10).kind == Kind::unsatisfiable);
        CHECK(parse_byte_range("bytes=0-", 0).kind == Kind::unsatisfiable);
    }

    TEST_CASE("anything else means the whole file") {
        for (const char* header :
             {"", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "bytes=,", "bytes= 1-2,", "bytes=,1-2 ",
              "bytes=0-1,,20-30", "lines=0-1", "bytes=a-b", "bytes=1", "bytes= 1-2", "bytes=1-2x",
              "bytes=--1", "bytes=+1-2", "bytes=1--2", "0-1"}) {
            CAPTURE(header);
            const ByteRange range = parse_byte_range(header, 10);
            CHECK(range.kind == Kind::whole);
            CHECK(range.first == 0);
            CHECK(range.count == 10);
        }
    }

    TEST_CASE("of an empty file the last bytes are the whole file") {
        const ByteRange range = parse_byte_range("bytes=-5", 0);
        CHECK(range.kind == Kind::whole);
        CHECK(range.count == 0);
    }
}
