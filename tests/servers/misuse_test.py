"""Wrong uses of the library: those that a type can refuse are a sentence of the compiler's that says what to write instead, the
others a sentence of the program's and exit status 2."""

import itertools
import os
import re
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import TOP

BUILD = Path(os.environ.get("BULLPEN_OPTIMISED", TOP / "build/bullpen")).parent
COMPILERS = ("g++-12", "clang++-14")
INCLUDES = ("-I", TOP / "core/include", "-I", TOP / "servers/include")
PROLOGUE = """
#include <string>
#include <vector>
#include <bullpen/messages.hpp>
#include <bullpen/metrics.hpp>
#include <bullpen/serve.hpp>
#include <bullpen/server.hpp>
using namespace bullpen;
"""
ASYNC = "#include <bullpen/async_connection.hpp>"  # Costs a compiler seconds: where it is used alone.
COROUTINE = "a handler of a bullpen::AsyncConnection& is a coroutine: it returns boost::asio::awaitable<void>"
MAKER = "what takes a bullpen::WorkerContext& makes the worker's handler and returns it"
KINDS = "a handler is a function of (bullpen::Connection&) that returns void or bullpen::Next, a coroutine of"
CHARS = "of a buffer of chars write std::as_writable_bytes(std::span{buffer})"
CONST = "bytes are read into a buffer that isn't const and lives on"
WRITTEN = "what is written is a text (std::string_view) or bytes (std::span<const std::byte>)"

# What is written, and the sentence; `client` and `async` are connections.
MISTAKES = {
    "a client by value": ("serve({}, [](Connection) {});", "a handler takes its client by reference: (bullpen::Connection& client)"),
    "no client": ("serve({}, [] {});", "a handler takes its client: (bullpen::Connection& client)"),
    "a handler that returns a number": ("serve({}, [](Connection&) { return 1; });", "a handler returns void or bullpen::Next"),
    "an asynchronous handler that is none": ("serve({}, [](AsyncConnection&) {});", COROUTINE),
    "a coroutine with a result": (
        "serve({}, [](AsyncConnection&) -> boost::asio::awaitable<int> { co_return 1; });", COROUTINE),
    "a maker of nothing": ("serve({}, [](WorkerContext&) {});", MAKER),
    "a maker of a number": ("Server{}.add({}, [](WorkerContext&) { return 1; });", MAKER),
    "no handler at all": ("serve({}, 42);", KINDS),
    "a handler of something else": ("Server{}.add({}, [](int) {});", KINDS),
    "the handler first": ("serve([](Connection&) {}, Options{});", "the options come first: serve(options, handler)"),
    "lines without a line": ("by_lines([](Connection&) {});", "by_lines() takes a function of (bullpen::Connection&, std::string_view line)"),
    "lines with a result": ("by_lines([](Connection&, std::string_view) { return 1; });",
                            "what by_lines() calls returns nothing, or bullpen::Next"),
    "frames as texts": ("by_frames([](Connection&, std::string_view) {});",
                        "by_frames() takes a function of (bullpen::Connection&, std::span<const std::byte> frame)"),
    "frames with a result": ("by_frames([](Connection&, std::span<const std::byte>) { return true; });",
                             "what by_frames() calls returns nothing, or bullpen::Next"),
    "a length of 3 bytes": ("by_frames<3>([](Connection&, std::span<const std::byte>) {});", "a frame's length has 1, 2 or 4 bytes"),
    "reading chars": ("char buffer[10]; client.read_some(buffer);", CHARS),
    "reading a string": ("std::string text; client.read_exactly(text);", CHARS),
    "reading into const": ("const std::vector<std::byte> buffer(10); client.read_some(buffer);", CONST),
    "reading into a temporary": ("(void)async.read_some(std::vector<std::byte>(10));", CONST),
    "reading exactly into const": ("const std::array<std::byte, 4> buffer{}; (void)async.read_exactly(buffer);", CONST),
    "writing a number": ("client.write_all(42);", WRITTEN),
    "writing numbers": ("(void)async.write_all(std::vector<int>(10));", WRITTEN),
    "a metric's label that it hasn't": ('Counter count{"a", "b"}; count.with("x").add();', "this metric has no labels: count without with()"),
    "a metric without its label": ('Counter count{"a", "b", "label"}; count.add();',
                                   "this metric has labels: write with(values) before what counts"),
    "a number as a label": ('Counter count{"a", "b", "label"}; count.with(1).add();',
                            "a label's value is a text: write std::to_string(number)"),
    "too many labels": ('Counter count{"a", "b", "label"}; count.with("x", "y").add();',
                        "with() takes one value for each of the metric's labels"),
}

RIGHT = """
    char chars[10];
    std::vector<std::byte> bytes(10);
    (void)client.read_some(bytes);
    (void)client.read_some(std::as_writable_bytes(std::span{chars}));
    client.write_all("text");
    client.write_all(std::string{"text"} + "more");
    client.write_all(bytes);
    (void)async.read_some(bytes);
    (void)async.write_all("text");
    (void)async.write_all(std::string{"text"} + "more");
    const std::string text;
    (void)async.write_all(text);
    serve({}, [&](Connection&) {});
    serve({}, [](AsyncConnection&) -> boost::asio::awaitable<void> { co_return; });
    serve({}, [](WorkerContext&) { return [](Connection&) { return Next::close; }; });
    serve({}, Program{{"cat"}});
    serve({}, by_lines([](Connection&, std::string_view) {}));
    Handler handler = [](Connection&) {};
    serve({}, handler);
    Server{}.add({}, handler).add({}, Program{}).add({}, [](Connection&) {});
"""

STARTS = """
#include <cstring>
#include <functional>
#include <iostream>
#include <thread>
#include <bullpen/async_connection.hpp>
#include <bullpen/http.hpp>
#include <bullpen/messages.hpp>
#include <bullpen/server.hpp>
#include <bullpen/serve.hpp>
using namespace bullpen;

int main(int, char** argv) {
    const auto is = [&](const char* name) { return std::strcmp(argv[1], name) == 0; };
    const auto handler = [](Connection&) {};
    const auto coroutine = [](AsyncConnection&) -> boost::asio::awaitable<void> { co_return; };
    Options options{.listen = {"127.0.0.1:0"}};
    if (is("model")) return options.model = "preform", serve(options, handler);
    if (is("range")) return options.limits.spare_min = -1, serve(options, handler);
    if (is("order")) return options.limits.spare_max = 1, serve(options, handler);
    if (is("unknown to the model")) return options.threads = 2, options.model = "iterative", serve(options, handler);
    if (is("blocking")) return options.model = "event", serve(options, handler);
    if (is("asynchronous")) return serve(options, coroutine);
    if (is("program")) return serve(options, Program{{"/bin/cat"}});
    if (is("no program")) return options.model = "inetd", serve(options, Program{});
    if (is("no address")) return options.listen.clear(), serve(options, handler);
    if (is("bad address")) return options.listen = {"nonsense"}, serve(options, handler);
    if (is("no pool")) return Server{}.run();
    if (is("two of one name")) return Server{}.add(options, handler).add(options, handler).run();
    Options of_event = options;
    of_event.model = "event";
    using AsyncFunction = std::function<boost::asio::awaitable<void>(AsyncConnection&)>;
    if (is("empty")) return serve(options, std::function<void(Connection&)>{});
    if (is("empty with Next")) return serve(options, std::function<Next(Connection&)>{});
    if (is("null pointer")) return serve(options, static_cast<void (*)(Connection&)>(nullptr));
    if (is("empty of two pools"))
        return options.name = "web", Server{}.add(options, handler).add({.name = "b", .listen = options.listen},
                                                                        std::function<void(Connection&)>{}).run();
    if (is("empty Handler")) return serve(options, Handler{std::function<void(Connection&)>{}});
    if (is("empty maker")) return serve(options, std::function<Handler(WorkerContext&)>{});
    if (is("no maker")) return serve(options, PerWorker<Handler>{});
    if (is("empty coroutine")) return serve(of_event, AsyncFunction{});
    if (is("no coroutine")) return serve(of_event, AsyncHandler{});
    if (is("empty maker of coroutines")) return serve(of_event, std::function<AsyncHandler(WorkerContext&)>{});
    if (is("empty http")) return serve(options, http_handler(std::function<HttpAnswer(const HttpRequest&)>{}));
    if (is("empty by lines")) return serve(options, by_lines(std::function<void(Connection&, std::string_view)>{}));
    if (is("empty by frames"))
        return serve(options, by_frames(std::function<void(Connection&, std::span<const std::byte>)>{}));
    if (is("empty make")) return serve(std::function<Server()>{});
    std::thread second{[] { std::this_thread::sleep_for(std::chrono::minutes{1}); }};
    std::_Exit(serve(options, handler));
}
"""

EMPTY = "handler: expected a function, got an empty one"
# The case, and what its sentence has.
REFUSED = {
    "model": "preform",
    "range": "spare_min",
    "order": "spare_max",
    "unknown to the model": "threads",
    "blocking": "event",
    "asynchronous": "prefork",
    "program": "prefork",
    "no program": "argv",
    "no address": "listen",
    "bad address": "nonsense",
    "no pool": "pool",
    "two of one name": "default",
    "empty": EMPTY,
    "empty with Next": EMPTY,
    "null pointer": EMPTY,
    "empty of two pools": "pool b: " + EMPTY,
    "empty Handler": EMPTY,
    "empty maker": EMPTY,
    "no maker": EMPTY,
    "empty coroutine": EMPTY,
    "no coroutine": EMPTY,
    "empty maker of coroutines": EMPTY,
    "empty http": EMPTY,
    "empty by lines": EMPTY,
    "empty by frames": EMPTY,
    "empty make": "make: expected a function, got an empty one",
    "thread": "thread",
}


def said(*command, status=None):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          check=False)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


class Misuse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.home = Path(home.name)

    def source(self, name, code):
        source = self.home / f"{re.sub('[^a-z0-9]', '_', name)}.cpp"
        source.write_text(code)
        return source

    def compile(self, name, statements, compiler):
        """What the compiler says."""
        code = (ASYNC if re.search("async|AsyncC", statements) else "") + PROLOGUE + "void use([[maybe_unused]] Connection& client,\n"
        code += "[[maybe_unused]] AsyncConnection& async) {\n" + statements + "\n}\n"
        return said(compiler, "-std=c++20", "-fsyntax-only", *INCLUDES, self.source(f"{name} {compiler}", code))

    def test_the_right_use_compiles(self):
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                self.assertEqual(self.compile("right", RIGHT, compiler), "")

    def test_each_mistake_is_a_sentence_of_the_compilers(self):
        cases = list(itertools.product(MISTAKES, COMPILERS))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            told = list(threads.map(lambda case: self.compile(case[0], MISTAKES[case[0]][0], case[1]), cases))
        for (name, compiler), text in zip(cases, told):
            with self.subTest(name, compiler=compiler):
                self.assertIn(MISTAKES[name][1], text)

    @unittest.skipUnless((BUILD / "servers/libbullpen.a").exists(), "build/ holds no library: ninja -C build")
    def test_each_mistake_at_the_start_is_one_sentence_and_exit_status_2(self):
        program = self.home / "starts"
        said("g++-12", "-std=c++20", *INCLUDES, self.source("starts", STARTS), "-o", program, BUILD / "servers/libbullpen.a",
             "-lspdlog", "-lfmt", "-lprometheus-cpp-core", "-lboost_json", "-lpthread", status=0)
        for name, part in REFUSED.items():
            with self.subTest(name):
                sentence = said(program, name, status=2)
                self.assertRegex(sentence, r"\Astarts: .*\n\Z")
                self.assertIn(part, sentence)


if __name__ == "__main__":
    unittest.main()
