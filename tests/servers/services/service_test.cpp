#include "servers/services/service.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "core/http/read_only_responder.hpp"
#include "servers/services/file_identity.hpp"
#include "servers/services/option_error.hpp"
#include "tests/complaint.hpp"
#include "tests/contains.hpp"
#include "tests/core/contents.hpp"
#include "tests/core/http/answer_of.hpp"

using namespace bullpen;

namespace {

const Service& service(std::string_view name) {
    for (const Service& one : services())
        if (one.name == name) return one;
    FAIL("no such service");
    return services().front();
}

std::string without_date(std::string answer) {
    for (std::size_t at = 0; (at = answer.find("\r\nDate: ", at)) != std::string::npos;)
        answer.erase(at, answer.find("\r\n", at + 2) - at);
    return answer;
}

/// Whose every answer is 503.
class Unavailable final : public http::ReadOnlyResponder {
public:
    std::string whole_answer() {
        return std::string{
            answer(http::HeadBuffer::Outcome::head, "GET / HTTP/1.0\r\n\r\n", false, false).bytes};
    }

private:
    http::Answer respond(const http::Request&, const http::RequestTarget&) override {
        return status_page(http::Status::unavailable);
    }
};

/// A directory with some files, gone with its owner.
struct Root {
    Root() {
        std::string name = "/tmp/bullpen-service-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
        write("a.txt", "hello");
        write("empty", "");
        write("large.bin", many_bytes(300'000));
        write("edge", many_bytes(32 * 1024));
        std::filesystem::create_directory(path / "with");
        write("with/index.html", "<p>the index");
        std::filesystem::create_directory(path / "without");
        write("without/b", "b");
        for (const auto& entry : std::filesystem::recursive_directory_iterator{path})
            age(entry.path());
    }
    ~Root() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& contents) const {
        std::ofstream{path / name, std::ios::binary} << contents;
    }
    /// Gives a file a Last-Modified.
    static void age(const std::filesystem::path& file) {
        std::filesystem::last_write_time(
            file, std::filesystem::file_time_type::clock::now() - std::chrono::hours{1});
    }
    std::filesystem::path path;
};

std::string complaint(const std::vector<std::string>& program) {
    return complaint_of([&] { make_exec_program({.program = program}); });
}

}  // namespace

TEST_SUITE("service") {
    TEST_CASE("http is the first service, and each has the forms that it can have") {
        REQUIRE_FALSE(services().empty());
        CHECK(services()[0].name == "http");
        for (const Service& one : services()) {
            CAPTURE(one.name);
            CHECK((one.make != nullptr) == (one.name != "exec"));
            const bool holds_worker = one.name == "remote-command" || one.name == "priority";
            CHECK((one.make_async != nullptr) == (one.name != "exec" && !holds_worker));
            CHECK((one.make_program != nullptr) == (one.name != "sequence-number"));
        }
    }

    TEST_CASE("the refusal for overload is what a worker says of the same status, but for the date") {
        const std::string said = Unavailable{}.whole_answer();
        CHECK(contains(said, "\r\nRetry-After: 1\r\n"));
        for (const Service& one : services())
            CHECK(one.refusal == (one.parks_files ? without_date(said) : ""));  // Those that speak HTTP.
    }

    TEST_CASE("echo sends a megabyte back, in both forms") {
        const std::string bytes = many_bytes(1 << 20);
        CHECK(answer_of(make_echo({}), bytes) == bytes);
        CHECK(answer_of(make_async_echo({}), bytes) == bytes);
    }

    TEST_CASE("http needs a root that is there, in every form") {
        const ServiceOptions options{.root = "/no/such/root"};
        CHECK_THROWS_AS(make_http(options), std::system_error);
        CHECK_THROWS_AS(make_async_http(options), std::system_error);
        CHECK_THROWS_AS(make_http_program(options), std::system_error);
    }

    TEST_CASE("http serves a copy of its handler as well as the original") {
        const Handler handler = make_http({.root = "/"});
        const Handler copy = handler;
        CHECK(
            answer_of(copy, "GET /nothing/there HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404 Not Found\r\n"));
    }

    TEST_CASE(
        "http answers the same in both forms, and with files kept, at the first time and at the second") {
        const Root root;
        const ServiceOptions plain{.root = root.path};
        const ServiceOptions keeping{.root = root.path, .file_cache = 60};
        const Handler blocking = make_http(plain);
        const AsyncHandler asynchronous = make_async_http(plain);
        const Handler kept = make_http(keeping);
        const AsyncHandler asynchronous_kept = make_async_http(keeping);
        const std::string one = " HTTP/1.1\r\nHost: x\r\n\r\n";
        const std::string last = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        std::vector<std::string> requests;
        for (const std::string path :
             {"a.txt", "empty", "large.bin", "edge", "with/", "with", "without/", "nothing"}) {
            requests.push_back("GET /" + path + last);
            requests.push_back("HEAD /" + path + one + "GET /" + path + one + "HEAD /" + path + last);
            requests.push_back("GET /" + path + " HTTP/1.0\r\nRange: bytes=1-3\r\n\r\n");
            requests.push_back("GET /" + path + " HTTP/1.0\r\nIf-None-Match: *\r\n\r\n");
            requests.push_back("GET /" + path + " HTTP/1.0\r\nIf-Match: \"other\"\r\n\r\n");
        }
        requests.insert(requests.end(), {"rubbish\r\n\r\n", "POST /a.txt" + last, "GET /%zz" + last,
                                         "HEAD /a.txt" + one + "rubbish\r\n\r\n", "GET /a.txt HTT", "",
                                         "GET /" + std::string(9000, 'a') + last, "\r\n\n" + one});
        for (const std::string& request : requests) {
            CAPTURE(request);
            const std::string expected = without_date(answer_of(blocking, request));
            CHECK(without_date(answer_of(asynchronous, request)) == expected);
            for (int i = 0; i < 2; ++i) {
                CHECK(without_date(answer_of(kept, request)) == expected);
                CHECK(without_date(answer_of(asynchronous_kept, request)) == expected);
            }
        }
        CHECK(answer_of(blocking, "GET /large.bin" + last).ends_with(many_bytes(300'000)));
        CHECK(answer_of(blocking, "HEAD /a.txt" + one + "rubbish\r\n\r\n").ends_with("400 Bad Request\n"));
    }

    TEST_CASE("a file that is kept is served as it was, one that is not as it is") {
        const Root root;
        const Handler plain = make_http({.root = root.path});
        const Handler kept = make_http({.root = root.path, .file_cache = 60});
        const std::string request = "GET /a.txt HTTP/1.0\r\n\r\n";
        for (const Handler& handler : {plain, kept})
            CHECK(answer_of(handler, request).ends_with("\r\n\r\nhello"));
        root.write("a.txt", "another");
        CHECK(answer_of(plain, request).ends_with("\r\n\r\nanother"));
        CHECK(answer_of(kept, request).ends_with("\r\n\r\nhello"));
        CHECK(answer_of(kept, "GET /new HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404"));
        root.write("new", "new");  // That it isn't there is not kept.
        CHECK(answer_of(kept, "GET /new HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nnew"));
    }

    TEST_CASE("a file that was served before is served as it is now, also if only its bytes are others") {
        const Root root;
        struct stat status;
        REQUIRE(::stat((root.path / "a.txt").c_str(), &status) == 0);
        while (!http::FileIdentity{status}.is_settled(std::chrono::system_clock::now()))
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
        const Handler handler = make_http({.root = root.path});
        const std::string request = "GET /a.txt HTTP/1.0\r\n\r\n";
        CHECK(answer_of(handler, request).ends_with("\r\n\r\nhello"));
        CHECK(answer_of(handler, request).ends_with("\r\n\r\nhello"));
        root.write("a.txt", "jello");
        CHECK(answer_of(handler, request).ends_with("\r\n\r\njello"));
        ::unlink((root.path / "a.txt").c_str());
        CHECK(answer_of(handler, request).starts_with("HTTP/1.1 404"));
    }

    TEST_CASE("work answers with as many bytes as are wanted, in both forms") {
        for (const std::size_t size : {0, 1, 128, 32 * 1024, 32 * 1024 + 1, 1 << 20}) {
            const std::string request = "GET /bytes/" + std::to_string(size) + " HTTP/1.0\r\n\r\n";
            const std::string answer = answer_of(make_work({}), request);
            CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
            CHECK(answer.find("\r\nContent-Length: " + std::to_string(size) + "\r\n") != std::string::npos);
            CHECK(answer.size() - answer.find("\r\n\r\n") - 4 == size);
            CHECK(without_date(answer_of(make_async_work({}), request)) == without_date(answer));
        }
    }

    TEST_CASE("work computes and sleeps for as long as is wanted, in both forms") {
        const auto lasted = [](const auto& handler, const std::string& path) {
            const auto begun = std::chrono::steady_clock::now();
            const std::string answer = answer_of(handler, "GET " + path + " HTTP/1.0\r\n\r\n");
            CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
            CHECK(answer.size() - answer.find("\r\n\r\n") - 4 == 128);
            return std::chrono::steady_clock::now() - begun;
        };
        for (const std::string path : {"/cpu/30000", "/sleep/30"}) {
            CHECK(lasted(make_work({}), path) >= std::chrono::milliseconds{30});
            CHECK(lasted(make_async_work({}), path) >= std::chrono::milliseconds{30});
        }
    }

    TEST_CASE("work says what it doesn't understand, answers HEAD and goes on") {
        const Handler handler = make_work({});
        const auto status = [&](const std::string& path) {
            return answer_of(handler, "GET " + path + " HTTP/1.0\r\n\r\n").substr(9, 3);
        };
        for (const char* path : {"/", "/byte/1", "/bytesx", "/a/b/c"})
            CHECK(status(path) == "404");
        for (const char* path : {"/bytes", "/bytes/", "/bytes/x", "/bytes/1x", "/bytes/-1", "/bytes/67108865",
                                 "/cpu/60000001", "/sleep/60001", "/sleep/99999999999999999999", "/cpu/1/"})
            CHECK(status(path) == "400");
        const std::string two = answer_of(handler,
                                          "HEAD /bytes/67108864 HTTP/1.1\r\nHost: x\r\n\r\n"
                                          "GET /bytes/3 HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(two.find("Content-Length: 67108864\r\n") != std::string::npos);
        CHECK(two.ends_with("\r\n\r\nxxx"));
    }

    TEST_CASE("what is built in is as a program this very executable") {
        const Program echo = service("echo").make_program({});
        CHECK(std::filesystem::equivalent(echo.argv[0], "/proc/self/exe"));
        CHECK(echo.argv[0].starts_with("/"));
        CHECK(std::vector(echo.argv.begin() + 1, echo.argv.end()) ==
              std::vector<std::string>{"handle", "echo"});
        const Program http = service("http").make_program({.root = "/usr/../usr", .file_cache = 3});
        CHECK(std::vector(http.argv.begin() + 1, http.argv.end()) ==
              std::vector<std::string>{"handle", "http", "--root", "/usr/../usr", "--file-cache", "3"});
    }

    TEST_CASE("http as a program is started with all of its options") {
        const Root root;
        const Program http = service("http").make_program(
            {.root = root.path,
             .links = http::Links::none,
             .charset = {.name = ""},
             .types = "/dev/null",
             .add_header = {http::AddedHeader::parse("*.css A: b"), http::AddedHeader::parse("C: d")},
             .error_page = {http::ErrorPage::parse("404=a.txt")},
             .fallback = "with/index.html",
             .precompressed = http::ContentCodings::parse("gz,br")});
        CHECK(std::vector(http.argv.begin() + 1, http.argv.end()) ==
              std::vector<std::string>{
                  "handle",          "http", "--root",       root.path,   "--links",      "none",
                  "--charset",       "off",  "--types",      "/dev/null", "--add-header", "*.css A: b",
                  "--add-header",    "C: d", "--error-page", "404=a.txt", "--fallback",   "with/index.html",
                  "--precompressed", "gz,br"});
    }

    TEST_CASE("http refuses options that can't be meant, in every form") {
        const Root root;
        const auto refusals_of = [&](ServiceOptions options) {
            options.root = root.path;
            const std::string sentence = complaint_of<OptionError>([&] { make_http(options); });
            CHECK(complaint_of<OptionError>([&] { make_async_http(options); }) == sentence);
            CHECK(complaint_of<OptionError>([&] { make_http_program(options); }) == sentence);
            return sentence;
        };
        const std::string expected = "; expected a file that can be read, by its path below the root";
        CHECK(refusals_of({.fallback = "nothing"}) == "'nothing': No such file or directory" + expected);
        CHECK(refusals_of({.fallback = "with"}) == "'with' is a directory" + expected);
        CHECK(refusals_of({.fallback = "/"}) == "'' is a directory" + expected);
        CHECK(refusals_of({.error_page = {http::ErrorPage::parse("404=../a")}}) ==
              "'../a': No such file or directory" + expected);
        CHECK(refusals_of({.error_page = {http::ErrorPage::parse("404=a.txt"),
                                          http::ErrorPage::parse("404=edge")}}) ==
              "404 is given twice; expected one file for a status");
        CHECK(refusals_of({.types = "/no/such"}) == "/no/such cannot be read: No such file or directory");
        CHECK(refusals_of({.add_header = {{.line = std::string(5000, 'x')}}}) ==
              "all headers together are 5000 bytes long; expected at most 4096");
        root.write("huge", std::string(1024 * 1024 + 1, 'x'));
        CHECK(refusals_of({.error_page = {http::ErrorPage::parse("404=huge")}}) ==
              "'huge' is too large; expected at most 1048576 bytes");
    }

    TEST_CASE("http answers the same in both forms with all of its options") {
        const Root root;
        root.write("a.txt.gz", "compressed");
        root.write("404.html", "<p>nothing");
        root.write("large.html", std::string(200'000, 'x'));
        for (const char* name : {"a.txt.gz", "404.html", "large.html"})
            Root::age(root.path / name);
        Root::age(root.path / "a.txt");
        ServiceOptions options{
            .root = root.path,
            .add_header = {http::AddedHeader::parse("*.txt Cache-Control: no-cache"),
                           http::AddedHeader::parse("X-All: 1")},
            .error_page = {http::ErrorPage::parse("404=404.html"), http::ErrorPage::parse("405=large.html"),
                           http::ErrorPage::parse("400=404.html")},
            .precompressed = http::ContentCodings::parse("br,gz")};
        const Handler blocking = make_http(options);
        const AsyncHandler asynchronous = make_async_http(options);
        options.file_cache = 60;
        const Handler kept = make_http(options);
        const std::string last = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        const std::string coded = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n";
        for (const std::string& request :
             {"GET /a.txt" + last, "GET /a.txt" + coded + "\r\n", "HEAD /a.txt" + coded + "\r\n",
              "GET /a.txt" + coded + "Range: bytes=0-3\r\n\r\n",
              "GET /a.txt" + coded + "If-None-Match: *\r\n\r\n", "GET /nothing" + last,
              "HEAD /nothing" + last, "POST /a.txt" + last, "GET /with" + last, "GET /without/" + last,
              std::string{"rubbish\r\n\r\n"}}) {
            CAPTURE(request);
            const std::string expected = without_date(answer_of(blocking, request));
            CHECK(without_date(answer_of(asynchronous, request)) == expected);
            for (int i = 0; i < 2; ++i)
                CHECK(without_date(answer_of(kept, request)) == expected);
        }
        CHECK(answer_of(blocking, "GET /a.txt" + coded + "\r\n").ends_with("\r\n\r\ncompressed"));
        CHECK(answer_of(blocking, "GET /nothing" + last).ends_with("\r\n\r\n<p>nothing"));
        CHECK(answer_of(blocking, "POST /a.txt" + last).size() > 200'000);
        CHECK(answer_of(blocking, "rubbish\r\n\r\n").ends_with("\r\n\r\n<p>nothing"));
    }

    TEST_CASE("exec finds its program by path and in PATH, and passes the arguments on") {
        const Program cat = make_exec_program({.program = {"cat", "-u", ""}});
        CHECK(cat.argv[0].starts_with("/"));
        CHECK(cat.argv[0].ends_with("/cat"));
        CHECK(std::vector(cat.argv.begin() + 1, cat.argv.end()) == std::vector<std::string>{"-u", ""});
        CHECK(make_exec_program({.program = {"/bin/cat"}}).argv == std::vector<std::string>{"/bin/cat"});
        const std::string relative = std::filesystem::relative("/bin/cat");
        CHECK(std::filesystem::equivalent(make_exec_program({.program = {relative}}).argv[0], "/bin/cat"));
    }

    TEST_CASE("exec says in a sentence why something is no program") {
        CHECK(complaint({}).starts_with("exec needs a program"));
        CHECK(complaint({""}).starts_with("exec needs a program"));
        CHECK(contains(complaint({"no-such-program"}), "'no-such-program' in PATH"));
        CHECK(contains(complaint({"/no/such"}), "No such file"));
        CHECK(contains(complaint({"/tmp"}), "Is a directory"));
        CHECK(contains(complaint({"/etc/passwd"}), "Permission denied"));
        CHECK(contains(complaint({"/dev/null"}), "Permission denied"));
    }
}
