#include "servers/services/media_type.hpp"

#include <doctest/doctest.h>

#include "servers/services/option_error.hpp"
#include "tests/complaint.hpp"
#include "tests/contains.hpp"
#include "tests/core/contents.hpp"

using namespace bullpen;
using namespace bullpen::http;

namespace {

std::string path_of(const UniqueFd& file) {
    return "/proc/self/fd/" + std::to_string(file.get());
}

}  // namespace

TEST_SUITE("media type") {
    TEST_CASE("common files are known by their last extension, in any case") {
        const MediaTypes types;
        CHECK(types.of("a/b.c/style.CSS") == "text/css; charset=utf-8");
        CHECK(types.of("app.mjs") == "text/javascript; charset=utf-8");
        CHECK(types.of("a.min.svg") == "image/svg+xml");
        CHECK(types.of("a.jpeg") == "image/jpeg");
        CHECK(types.of("a.woff2") == "font/woff2");
        CHECK(types.of("a.wasm") == "application/wasm");
        CHECK(types.of("a.webmanifest") == "application/manifest+json");
        CHECK(types.of("a.tar.gz") == "application/gzip");
        CHECK(types.of("a.7z") == "application/x-7z-compressed");
        CHECK(types.of("a.zst") == "application/zstd");
    }

    TEST_CASE("what users of file servers have missed is known") {
        const MediaTypes types;
        using Row = std::pair<const char*, const char*>;
        for (const auto& [extension, type] : {Row{"eot", "application/vnd.ms-fontobject"},
                                              {"avi", "video/x-msvideo"},
                                              {"mpg", "video/mpeg"},
                                              {"mpd", "application/dash+xml"},
                                              {"rar", "application/vnd.rar"},
                                              {"jar", "application/java-archive"},
                                              {"vcf", "text/vcard; charset=utf-8"},
                                              {"srt", "application/x-subrip"},
                                              {"rpm", "application/x-rpm"}})
            CHECK(types.of(std::string{"a."} + extension) == type);
        for (const char* name : {"a.docx", "a.xlsx", "a.pptx"})
            CHECK(types.of(name).starts_with("application/vnd.openxmlformats-officedocument."));
    }

    TEST_CASE("a name that says nothing is a stream of octets") {
        const MediaTypes types;
        for (const char* path :
             {"", "a", "a.", "a.html/b", "a.htmlx", "a.averyveryverylongextension", "x.html.unknown"})
            CHECK(types.of(path) == "application/octet-stream");
        CHECK(types.of("a." + std::string(300, 'x')) == "application/octet-stream");
    }

    TEST_CASE("the files that every project has are text") {
        const MediaTypes types;
        CHECK(types.of("a/LICENSE") == "text/plain; charset=utf-8");
        CHECK(types.of("Makefile") == "text/plain; charset=utf-8");
    }

    TEST_CASE("HTML, XML and JSON say themselves which charset they have") {
        for (const char* charset : {"off", "utf-8", "iso-8859-1"}) {
            const MediaTypes types{Charset::parse(charset)};
            CHECK(types.of("a.html") == "text/html");
            CHECK(types.of("a.htm") == "text/html");
            CHECK(types.of("a.xhtml") == "application/xhtml+xml");
            CHECK(types.of("a.xml") == "text/xml");
            CHECK(types.of("a.svg") == "image/svg+xml");
            CHECK(types.of("a.json") == "application/json");
        }
    }

    TEST_CASE("other text has the charset that is set, or none") {
        const MediaTypes latin{Charset::parse("iso-8859-1")};
        CHECK(latin.of("a.txt") == "text/plain; charset=iso-8859-1");
        CHECK(latin.of("README") == "text/plain; charset=iso-8859-1");
        const MediaTypes off{Charset::parse("off")};
        CHECK(off.of("a.txt") == "text/plain");
        CHECK(off.of("README") == "text/plain");
        for (const char* bad : {"", "a b", "utf-8; x=y", "\"utf-8\""})
            CHECK(contains(complaint_of([&] { Charset::parse(bad); }),
                           "' is no charset; expected off or a name"));
    }

    TEST_CASE("a file of types comes before those that are built in") {
        const UniqueFd file = file_of(
            "# types\n\n"
            "text/x-new\tnew NEWER # for us\r\n"
            "text/html2 html\n"
            "application/x-nothing\n"
            "text/one twice\ntext/two twice\n"
            "text/latin;charset=latin1 l1\n"
            "application/spdx+json spdx.json\n"
            "text/last last");
        const MediaTypes types{{}, path_of(file)};
        CHECK(types.of("a.new") == "text/x-new; charset=utf-8");
        CHECK(types.of("a.newer") == "text/x-new; charset=utf-8");
        CHECK(types.of("a.html") == "text/html2; charset=utf-8");
        CHECK(types.of("a.twice") == "text/two; charset=utf-8");
        CHECK(types.of("a.l1") == "text/latin;charset=latin1");
        CHECK(types.of("a.spdx.json") == "application/spdx+json");
        CHECK(types.of("a.json") == "application/json");
        CHECK(types.of("a.last") == "text/last; charset=utf-8");
        CHECK(types.of("a.png") == "image/png");
    }

    TEST_CASE("what is wrong in a file of types is said with its line") {
        const auto complaint = [](const char* text) {
            const UniqueFd file = file_of(text);
            const std::string sentence = complaint_of([&] { MediaTypes({}, path_of(file)); });
            return sentence.substr(std::min(sentence.find(':'), sentence.size()));
        };
        CHECK(complaint("\ntext html\n") ==
              ":2: 'text' is no media type; expected lines such as 'text/html html htm'");
        CHECK(contains(complaint("types {\n"), ":1: 'types' is no media type"));
        CHECK(contains(complaint("text/html html htm;\n"), ":1: 'htm;' is no extension"));
        for (const char* text :
             {"text/ht(ml html\n", "/html html\n", "text/ html\n", "text;/html html\n", "text/a;b=\x01 c\n"})
            CHECK(contains(complaint(text), " is no media type"));
        CHECK(complaint_of([&] { MediaTypes({}, "/no/such/types"); }) ==
              "/no/such/types cannot be read: No such file or directory");
    }

    TEST_CASE("the types of the system can be read") {
        if (std::FILE* const there = std::fopen("/etc/mime.types", "r")) {
            std::fclose(there);
            CHECK(MediaTypes({}, "/etc/mime.types").of("a.xspf") == "application/xspf+xml");
        }
    }
}
