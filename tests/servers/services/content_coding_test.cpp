#include "servers/services/content_coding.hpp"

#include <doctest/doctest.h>

#include "tests/complaint.hpp"
#include "tests/contains.hpp"

using namespace bullpen;
using namespace bullpen::http;

namespace {

/// What of "br,zst,gz" a client gets that sends this Accept-Encoding.
std::string preferred_by(const FieldLines& lines) {
    return preferred(lines, ContentCodings::parse("br,zst,gz")).text();
}

}  // namespace

TEST_SUITE("content coding") {
    TEST_CASE("a client gets what it accepts, in the server's order") {
        CHECK(preferred_by("gzip") == "gz");
        CHECK(preferred_by("gzip, deflate, br, zstd") == "br,zst,gz");
        CHECK(preferred_by("GZip,BR") == "br,gz");
        CHECK(preferred_by("x-gzip") == "gz");
        CHECK(preferred_by("deflate") == "off");
        CHECK(preferred_by("*") == "br,zst,gz");
    }

    TEST_CASE("qualities come before the server's order") {
        CHECK(preferred_by("gzip;q=1.0, br;q=0.5") == "gz,br");
        CHECK(preferred_by("br;q=0, gzip;Q=0.001") == "gz");
        CHECK(preferred_by("*;q=0.1, gzip ; q=0.2 ,br;q=0") == "gz,zst");
        CHECK(preferred_by("br;q=0.000") == "off");
        CHECK(preferred_by("*;q=0") == "off");
    }

    TEST_CASE("the plain file is the best where the client says so") {
        CHECK(preferred_by("identity") == "off");
        CHECK(preferred_by("identity, gzip;q=0.5") == "off");
        CHECK(preferred_by("identity;q=0.5, gzip;q=0.5") == "gz");
        CHECK(preferred_by("identity;q=0.5, gzip") == "gz");
        CHECK(preferred_by("gzip;q=0.3, *;q=0.5") == "br,zst");
        CHECK(preferred_by("identity;q=0, gzip;q=0.1") == "gz");
    }

    TEST_CASE("without the header, or with nothing in it, the file is plain") {
        CHECK(preferred_by({}) == "off");
        CHECK(preferred_by("") == "off");
        CHECK(preferred_by(" , ,") == "off");
    }

    TEST_CASE("several lines are one list") {
        FieldLines lines{"deflate"};
        lines.add("gzip;q=0.5");
        lines.add("br;q=0.1,");
        CHECK(preferred_by(lines) == "gz,br");
    }

    TEST_CASE("what is malformed is passed over") {
        for (const char* element :
             {"gzip;q=2", "gzip;q=0.1234", "gzip;q=", "gzip;q=.5", "gzip;q=1.001", "gzip;x=1", "gzip;q=-1",
              "gzip;q=0,5", "g zip", "gzip;", "gzip;q=0.x", "gzip;q=01"}) {
            CAPTURE(element);
            CHECK(preferred_by(element) == "off");
        }
        CHECK(preferred_by("gzip;q=1.") == "gz");
        CHECK(preferred_by("gzip;q=9, br") == "br");
    }

    TEST_CASE("what a server offers is read and written") {
        CHECK(ContentCodings::parse("off").codings.empty());
        for (const char* text : {"off", "gz", "zst,br", "br,zst,gz"})
            CHECK(ContentCodings::parse(text).text() == text);
        for (const char* text : {"", "gzip", "br,", "br,,gz", "br, gz", "gz,gz", "off,gz", "br,zst,gz,br"}) {
            CAPTURE(text);
            CHECK(contains(complaint_of([&] { ContentCodings::parse(text); }),
                           "' is no list of codings; expected off, or each of br, zst and gz"));
        }
    }
}
