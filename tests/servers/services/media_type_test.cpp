#include "servers/services/media_type.hpp"

#include <doctest/doctest.h>

using namespace bullpen::http;

TEST_SUITE("media type") {
    TEST_CASE("common files are known by their last extension, in any case") {
        CHECK(media_type("index.html") == "text/html; charset=utf-8");
        CHECK(media_type("a/b.c/style.CSS") == "text/css; charset=utf-8");
        CHECK(media_type("app.mjs") == "text/javascript; charset=utf-8");
        CHECK(media_type("data.json") == "application/json");
        CHECK(media_type("a.min.svg") == "image/svg+xml");
        CHECK(media_type("a.jpeg") == "image/jpeg");
        CHECK(media_type("a.woff2") == "font/woff2");
        CHECK(media_type("a.wasm") == "application/wasm");
        CHECK(media_type("a.webmanifest") == "application/manifest+json");
        CHECK(media_type("a.tar.gz") == "application/gzip");
        CHECK(media_type("a.7z") == "application/x-7z-compressed");
        CHECK(media_type("a.zst") == "application/zstd");
    }

    TEST_CASE("a name that says nothing is a stream of octets") {
        for (const char* path :
             {"", "a", "a.", "a.html/b", "a.htmlx", "a.averyveryverylongextension", "x.html.unknown"})
            CHECK(media_type(path) == "application/octet-stream");
    }

    TEST_CASE("the files that every project has are text") {
        CHECK(media_type("a/LICENSE") == "text/plain; charset=utf-8");
        CHECK(media_type("Makefile") == "text/plain; charset=utf-8");
    }
}
