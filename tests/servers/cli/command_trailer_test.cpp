#include "servers/cli/command_trailer.hpp"

#include <doctest/doctest.h>

using namespace bullpen;
using namespace std::string_literals;

namespace {

struct Heard {
    std::string output;
    std::string end;
};

/// The stream in pieces of this size.
Heard hear(std::string_view stream, std::size_t piece) {
    CommandTrailer trailer;
    Heard heard;
    for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size())))
        heard.output += trailer.pass(stream.substr(0, piece));
    heard.end = trailer.text();
    heard.output += trailer.rest();
    return heard;
}

}  // namespace

TEST_SUITE("servers: the end of a remote command") {
    TEST_CASE("the last line behind a NUL byte is how it ended, in pieces of any size") {
        for (const std::size_t piece : {1, 2, 3, 7, 1000}) {
            CAPTURE(piece);
            const Heard heard = hear("a\nb\n\0exit 0\n"s, piece);
            CHECK(heard.output == "a\nb\n");
            CHECK(heard.end == "exit 0");
        }
    }

    TEST_CASE("NUL bytes of the output stay in it") {
        for (const std::size_t piece : {1, 5, 1000}) {
            const Heard heard = hear("\0\0a\0exit 9\nb\0signal 15\n"s, piece);
            CHECK(heard.output == "\0\0a\0exit 9\nb"s);
            CHECK(heard.end == "signal 15");
        }
        CHECK(hear("a\0"s + std::string(1000, 'x') + "\0exit 0\n"s, 10).output ==
              "a\0"s + std::string(1000, 'x'));
    }

    TEST_CASE("a stream without such a line is output alone") {
        for (const std::string& stream :
             {""s, "exit 0\n"s, "a\0exit"s, "a\0exit 0"s, "a\0exit 256\n"s, "a\0over\n"s}) {
            CAPTURE(stream);
            const Heard heard = hear(stream, 3);
            CHECK(heard.output == stream);
            CHECK(heard.end.empty());
        }
    }

    TEST_CASE("the exit status is a shell's") {
        CHECK(exit_status_of_trailer("exit 0") == 0);
        CHECK(exit_status_of_trailer("exit 255") == 255);
        CHECK(exit_status_of_trailer("signal 9") == 137);
        CHECK(exit_status_of_trailer("limit time") == 124);
        for (const char* none :
             {"", "exit", "exit ", "exit x", "exit -1", "signal 0", "signal 128", "limit", "limit ", "0"})
            CHECK(exit_status_of_trailer(none) == -1);
    }
}
