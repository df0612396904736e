#include "core/http/chunk_decoder.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace bullpen::http;
using Outcome = ChunkDecoder::Outcome;

namespace {

struct Decoded {
    Outcome outcome = Outcome::more;
    std::string body{};
    std::size_t used = 0;
};

constexpr std::size_t enough = 100'000;

Decoded decode(std::string_view bytes, std::size_t body_max = enough, std::size_t piece = SIZE_MAX) {
    ChunkDecoder decoder{body_max};
    Decoded decoded;
    while (decoded.used < bytes.size() && decoder.outcome() == Outcome::more)
        decoded.used += decoder.decode(bytes.substr(decoded.used, piece), decoded.body);
    decoded.outcome = decoder.outcome();
    return decoded;
}

Outcome outcome_of(std::string_view bytes) {
    return decode(bytes).outcome;
}

}  // namespace

TEST_SUITE("chunk decoder") {
    const std::string hello = "5\r\nhello\r\n0\r\n\r\n";

    TEST_CASE("a body is the content of its chunks") {
        CHECK(decode(hello).body == "hello");
        CHECK(decode("5\r\nhello\r\nA \t;x=\"y z\";q\r\n, world 12\r\n0;last\r\n\r\n").body ==
              "hello, world 12");
        CHECK(decode("01\r\n\n\r\n0\r\n\r\n").body == "\n");
        CHECK(decode("0\r\n\r\n").outcome == Outcome::whole);
    }

    TEST_CASE("what follows the body is left alone") {
        const Decoded decoded = decode(hello + "GET / HTTP/1.1\r\n");
        CHECK(decoded.outcome == Outcome::whole);
        CHECK(decoded.used == hello.size());
    }

    TEST_CASE("trailers are passed over") {
        const Decoded decoded = decode("1\r\na\r\n0\r\nDigest: x\r\nSecond: \xff\ty\r\n\r\nGET");
        CHECK(decoded.outcome == Outcome::whole);
        CHECK(decoded.body == "a");
    }

    TEST_CASE("pieces of any size give the same, and no more than is left is asked for") {
        const std::string_view all = "5;e=1\r\nhello\r\n12\r\n0123456789abcdefgh\r\n00\r\nA: b\r\n\r\n";
        for (std::size_t piece = 1; piece <= all.size(); ++piece) {
            const Decoded decoded = decode(all, enough, piece);
            CHECK(decoded.outcome == Outcome::whole);
            CHECK(decoded.body == "hello0123456789abcdefgh");
        }
        for (std::size_t seen = 0; seen < all.size(); ++seen) {
            ChunkDecoder decoder{enough};
            std::string body;
            CHECK(decoder.decode(all.substr(0, seen), body) == seen);
            CHECK(decoder.outcome() == Outcome::more);
            CHECK(decoder.least_left() > 0);
            CHECK(decoder.least_left() <= all.size() - seen);
        }
    }

    TEST_CASE("without extensions and trailers, the least that is left of a last chunk is all of it") {
        ChunkDecoder decoder{enough};
        std::string body;
        std::string_view rest = hello;
        int reads = 0;
        for (; decoder.outcome() == Outcome::more; ++reads)
            rest.remove_prefix(decoder.decode(rest.substr(0, decoder.least_left()), body));
        CHECK(rest.empty());
        CHECK(reads == 2);  // Up to "he", and up to the end.
    }

    TEST_CASE("no other line end and no other size is one") {
        for (const char* const bad : {"\r\n",
                                      "g\r\n",
                                      "-1\r\n",
                                      "+1\r\n",
                                      " 1\r\n",
                                      "0x1\r\n",
                                      "1\n",
                                      "1 \r\n",
                                      "1\t\r\n",
                                      "1 x\r\n",
                                      "1\r\r\n",
                                      "1;a\n",
                                      "1;a\rb",
                                      "1;\x01\r\n",
                                      "1\r\nab",
                                      "1\r\na\n",
                                      "1\r\na\rb",
                                      "0\r\n\n",
                                      "0\r\n\rx",
                                      "0\r\nA: b\n",
                                      "0\r\nA: \x7f\r\n",
                                      "0\r\nA\r\r",
                                      "00000000000000000\r\n",
                                      "FFFFFFFFFFFFFFFFF\r\n"})
            CHECK_MESSAGE(outcome_of(bad) != Outcome::whole, bad);
        for (const char* const bad : {"\r\n", "g\r\n", "-1\r\n", " 1\r\n", "1\n", "1 \r\n", "1;a\n",
                                      "1\r\nab", "0\r\n\n", "0\r\nA: b\n", "00000000000000000"})
            CHECK_MESSAGE(outcome_of(bad) == Outcome::malformed, bad);
    }

    TEST_CASE("a body that is too long is refused by its size, before its bytes have come") {
        CHECK(decode(hello, 5).outcome == Outcome::whole);
        CHECK(decode("5", 4).outcome == Outcome::too_long);
        CHECK(decode("3\r\nabc\r\n2", 4).outcome == Outcome::too_long);
        CHECK(decode("FFFFFFFFFFFFFFFF").outcome == Outcome::too_long);
    }

    TEST_CASE("extensions and trailers have limits, over the whole body") {
        const std::string half(ChunkDecoder::extensions_max / 2, 'e');
        CHECK(outcome_of("0;" + half + "\r\n\r\n") == Outcome::whole);
        CHECK(outcome_of("1;" + half + "\r\na\r\n1;" + half + "\r\n") == Outcome::malformed);
        CHECK(outcome_of("1" + std::string(ChunkDecoder::extensions_max + 1, ' ')) == Outcome::malformed);
        const std::string line = "A: " + std::string(ChunkDecoder::trailers_max / 2, 't') + "\r\n";
        CHECK(outcome_of("0\r\n" + line + "\r\n") == Outcome::whole);
        CHECK(outcome_of("0\r\n" + line + line + "\r\n") == Outcome::malformed);
    }
}
