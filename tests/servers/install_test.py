"""What `cmake --install` puts into a prefix is all that a user needs, and adds nothing to his build."""

import contextlib
import http.client
import itertools
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from harness import TOP, end_with, free_port, wait_until

BUILD = Path(os.environ.get("BULLPEN_OPTIMISED", TOP / "build/bullpen")).parent
EXAMPLES = TOP / "servers/examples"
VERSION = re.search(r"project\(bullpen VERSION ([\d.]+)", (TOP / "CMakeLists.txt").read_text())[1]
COMPILERS = ("g++-12", "clang++-14")
STANDARDS = {"20": "-std=c++20", "23": "-std=c++2b"}  # Clang 14 knows it by that name.
MATRIX = tuple(itertools.product(COMPILERS, STANDARDS))
LONG = bool(os.environ.get("BULLPEN_LONG"))
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wold-style-cast")
API = {"serve", "log", "Connection", "AsyncConnection", "Datagram", "Address", "AddressError", "IpAddress", "Network", "EarlyDrop", "ClientGone",
       "TimedOut", "Server", "stop", "reload", "set_option", "load_options", "testing", "metrics", "HttpFields", "HttpHandler", "http_options"}

ASYNC = """
#include <bullpen/async_connection.hpp>
#include <bullpen/serve.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

boost::asio::awaitable<void> echo(bullpen::AsyncConnection& client) {
    boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor, std::chrono::milliseconds{1}};
    co_await timer.async_wait(boost::asio::use_awaitable);
    std::array<std::byte, 4096> buffer;
    while (const std::size_t size = co_await client.read_some(buffer))
        co_await client.write_all(std::span{buffer}.first(size));
}

int main(int, char** argv) {
    return bullpen::serve({.listen = {argv[1]}, .model = "prefork-event"}, echo);
}
"""

FAILURES = """
#include <bullpen/serve.hpp>
#include <stdexcept>

int main(int, char** argv) {
    return bullpen::serve({.listen = {argv[1]}}, [](bullpen::Connection& client) {
        client.limits().read = std::chrono::milliseconds{1};
        std::array<std::byte, 10> buffer;
        try {
            (void)client.read_some(buffer);
        } catch (const bullpen::TimedOut&) {
            client.write_all("timed out");
        }
    });
}
"""


def run(*command, **options):
    """What it says; an AssertionError with that if it fails or warns."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=1500, check=False, **options)
    if done.returncode != 0 or re.search(r"\bwarning\b", done.stdout, re.IGNORECASE):
        raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


@contextlib.contextmanager
def started(program, *arguments):
    """The port on which it serves. At the end it is told to stop, in order."""
    port = free_port()
    server = subprocess.Popen([program, f"127.0.0.1:{port}", *arguments], stderr=subprocess.DEVNULL, preexec_fn=end_with(os.getpid()))
    try:
        yield port
        server.send_signal(signal.SIGTERM)
        if (status := server.wait(60)) != 0:
            raise AssertionError(f"{program} ended with {status}")
    finally:
        server.kill()
        server.wait()


def connected(port):
    def connect():
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            return None
    return wait_until(connect, "the server")


def answer(client):
    return b"".join(iter(lambda: client.recv(4096), b""))


def check_echo(program):
    with started(program) as port, connected(port) as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        if (echoed := answer(client)) != b"hello":
            raise AssertionError(f"{program} says {echoed}")


def check_key_value(program):
    with started(program) as port, connected(port) as half, connected(port) as client:
        half.sendall(b"set half ")
        client.sendall(b"get a\nset a b c\r\nget a\nset a\nnonsense\n")
        client.shutdown(socket.SHUT_WR)
        wrong = b"? expected: get KEY, or set KEY VALUE\n"
        if (told := answer(client)) != b"-\nok\n=b c\n" + 2 * wrong:
            raise AssertionError(f"{program} says {told}")
        half.sendall(b"life\nget half\n")
        half.shutdown(socket.SHUT_WR)
        if (told := answer(half)) != b"ok\n=life\n":
            raise AssertionError(f"{program} says {told}")


def check_two_pools(program):
    with tempfile.TemporaryDirectory() as home, started(program, f"unix:{home}/operator") as port:
        with connected(port) as client:
            client.sendall(b"crash\n")
            answer(client)
        with connected(port) as client, socket.socket(socket.AF_UNIX) as operator:
            client.sendall(b"hello\n")
            client.shutdown(socket.SHUT_WR)
            operator.connect(f"{home}/operator")
            operator.sendall(b"stop\n")
            if (told := (answer(client), operator.recv(100))) != (b"you said hello\n", b"stopping\n"):
                raise AssertionError(f"{program} says {told}")


def check_own_metrics(program):
    metrics = free_port()
    with started(program, f"127.0.0.1:{metrics}") as port, connected(port) as client:
        client.sendall(b"10 + 32\n10 - 32\n1 + 1\n1 x 1\nnonsense\n")
        client.shutdown(socket.SHUT_WR)
        wrong = b"? expected: NUMBER + NUMBER\n"
        if (told := answer(client)) != b"42\n-22\n2\n" + 2 * wrong:
            raise AssertionError(f"{program} says {told}")
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=30) as page:
            text = page.read().decode()
        for line in ('calculator_answers_total{pool="default",operation="+"} 2', 'calculator_answers_total{pool="default",operation="-"} 1',
                     'calculator_answers_total{pool="default",operation="none"} 2', 'calculator_questions{pool="default"} 0',
                     'calculator_seconds_count{pool="default"} 5', "# HELP calculator_seconds Time to answer a question."):
            if line not in text.splitlines():
                raise AssertionError(f"{line} is missing in {text}")


def check_own_test(program):
    said = run(program)
    if said.count("ok      ") != 8:
        raise AssertionError(f"{program} says {said}")


def check_crash(program):
    with tempfile.TemporaryDirectory() as home, started(program, f"{home}/crashed_once") as port:
        def told(wish):
            with connected(port) as client:
                client.sendall(wish + b"\n")
                return answer(client)
        for wish in (b"throw", b"abort", b"exit", b"hang", b"flaky"):
            with connected(port) as other:
                if (ended := told(wish)) != (b"all is well\n" if wish == b"flaky" else b""):
                    raise AssertionError(f"{program}: {wish} is told {ended}")
                other.sendall(b"hello\n")
                if (heard := answer(other)) != b"all is well\n":
                    raise AssertionError(f"{program}: beside {wish} is told {heard}")
        if not os.path.exists(f"{home}/crashed_once"):
            raise AssertionError("nobody has crashed before its bytes were taken")


def certificate(home):
    """A new key and its certificate, as files."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=localhost", "-keyout", f"{home}/key.pem", "-out", f"{home}/certificate.pem")
    return f"{home}/certificate.pem", f"{home}/key.pem"


def check_tls_echo(program):
    """What is sent comes back; a client that falls silent in the handshake or after it is closed, and holds nobody up."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as home, started(program, *certificate(home), "1") as port:
        with trusting.wrap_socket(connected(port)) as client, connected(port) as silent, connected(port) as half:
            half.sendall(b"\x16\x03\x01")  # A record begins.
            bytes_sent = b"hello" * 10_000
            client.sendall(bytes_sent)
            got = b""
            while len(got) < len(bytes_sent):
                got += client.recv(4096)
            if got != bytes_sent:
                raise AssertionError(f"{program} says {got[:100]}")
            for name, waiting in {"silent": silent, "in the handshake": half, "after the handshake": client}.items():
                if (told := answer(waiting)) != b"":
                    raise AssertionError(f"{program} says {told} to a client that is silent {name}")


def is_established(port, client):
    """Whether the server has not ended its side; the client's own says nothing while it doesn't read."""
    pair = [f"0100007F:{number:04X}" for number in (port, client.getsockname()[1])]
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines())
    return any(row[1:4] == [*pair, "01"] for row in rows)


def check_chat(program):
    """What one says the others hear, also while one doesn't read: the write limit ends that one alone."""
    with started(program, "1") as port, connected(port) as hearing, socket.socket() as deaf, connected(port) as speaking:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))

        def is_heard():
            deaf.sendall(b"deaf\n")
            return select.select([hearing], [], [], 0.1)[0]
        wait_until(is_heard, "a word of the one that will not read")
        heard = hearing.makefile("rb")
        lines = [b"x" * 4000 + b"\n"] * 10  # Fewer than a client may have waiting.
        deadline = time.monotonic() + 300
        while is_established(port, deaf):
            speaking.sendall(b"".join(lines))
            got = []
            while len(got) < len(lines):
                if (line := heard.readline()) != b"deaf\n":
                    got.append(line)
            if got != lines or time.monotonic() > deadline:
                raise AssertionError(f"{program} says {got[0][:100]}, and keeps a client that doesn't read")


def ask(port, method, path, body=None):
    """The status of the answer, and its body."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        client.request(method, path, body)
        with client.getresponse() as told:
            return told.status, told.read()


def check_answers(program, port, *expected):
    connected(port).close()
    for *request, answer in expected:
        if (told := ask(port, *request)) != answer:
            raise AssertionError(f"{program} answers {told} to {request}")


def check_json_api(program):
    with started(program) as port:
        error = b'{"error":"there is no such item"}\n'
        check_answers(program, port, ("GET", "/items", (200, b"{}\n")), ("GET", "/items/tea", (404, error)),
                      ("PUT", "/items/tea", b'{"price": 3}', (201, b"")), ("PUT", "/items/tea", b'{"price": 4}', (204, b"")),
                      ("PUT", "/items/b%2Fc%20d", b"[1]", (201, b"")), ("GET", "/items/tea", (200, b'{"price":4}\n')),
                      ("HEAD", "/items/tea", (200, b"")), ("GET", "/items", (200, b'{"tea":{"price":4},"b/c d":[1]}\n')),
                      ("DELETE", "/items/tea", (204, b"")), ("DELETE", "/items/tea", (404, error)), ("POST", "/items", b"1", (405, b"")),
                      ("POST", "/items/tea", b"1", (405, b"")), ("GET", "/", (404, b'{"error":"there is only /items"}\n')))
        for body, status in ((b"{", 400), (b"", 400), (b"1" * 5000, 413)):
            if (told := ask(port, "PUT", "/items/tea", body)[0]) != status:
                raise AssertionError(f"{program} answers {told} to {body[:10]}")


def check_sqlite(program):
    with tempfile.TemporaryDirectory() as home:
        for lines in (b"", b"it's me\nAda\n"):  # The second server finds what the first one has written.
            with started(program, f"{home}/guests.db") as port:
                check_answers(program, port, ("GET", "/", (200, lines)), ("POST", "/", b"Ada", (204, b"")), ("POST", "/", b"it's me", (204, b"")),
                              ("GET", "/", (200, b"it's me\nAda\n" + lines)), ("DELETE", "/", (405, b"")), ("GET", "/other", (404, b"")))


def check_datagrams(program):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
        server = subprocess.Popen([program, f"udp:127.0.0.1:{port}"], stderr=subprocess.DEVNULL,
                                  preexec_fn=end_with(os.getpid()))

        def answer():
            client.sendto(b"too short", ("127.0.0.1", port))
            client.sendto(b"x" * 100, ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError):
                return client.recv(1000)
        try:
            told = wait_until(answer, "an answer")
            if told != f"udp:127.0.0.1:{client.getsockname()[1]} asks udp:127.0.0.1:{port}\n".encode():
                raise AssertionError(f"{program} answers {told}")
        finally:
            server.terminate()
            if server.wait(60) != 0:
                raise AssertionError(f"{program} ended with {server.returncode}")


CHECKS = {"chat": check_chat, "crash": check_crash, "datagrams": check_datagrams, "echo": check_echo, "json_api": check_json_api, "key_value": check_key_value,
          "own_metrics": check_own_metrics, "own_test": check_own_test, "sqlite": check_sqlite, "tls_echo": check_tls_echo,
          "two_pools": check_two_pools}
LIBRARIES = {"json_api": ["-lboost_json"], "sqlite": ["-lsqlite3"], "tls_echo": ["-lssl", "-lcrypto"]}  # Of an example's own.


@unittest.skipUnless((BUILD / "servers/libbullpen.a").exists(), "build/ holds no library: ninja -C build")
class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.home = Path(home.name)
        cls.prefix = cls.home / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        [cls.shared] = cls.prefix.rglob("libbullpen.so.*.*.*")
        [cls.archive] = cls.prefix.rglob("libbullpen.a")
        [pc] = cls.prefix.rglob("bullpen.pc")
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}

    def pkg_config(self, *flags):
        return run("pkg-config", *flags, "bullpen", env=self.environment).split()

    def compile(self, source, *libraries, compiler="g++-12", standard="20", flags=()):
        program = source.with_suffix("")
        run(compiler, STANDARDS[standard], *WARNINGS, *flags, *self.pkg_config("--cflags"), source, "-o", program, *libraries)
        return program

    def from_archive(self):
        """What to link with our archive and the system's shared libraries."""
        return [self.archive, *(flag for flag in self.pkg_config("--static", "--libs") if flag != "-lbullpen")]

    def from_shared(self):
        return [*self.pkg_config("--libs"), f"-Wl,-rpath,{self.shared.parent}"]

    def source(self, name, code):
        source = self.home / f"{name}.cpp"
        source.write_text(code)
        return source

    def check_examples(self, folder):
        examples = {source.stem for source in EXAMPLES.glob("*.cpp")}
        self.assertEqual(examples, set(CHECKS))
        for example in examples:
            CHECKS[example](folder / example)

    def test_names_of_ours_alone_are_in_the_prefix(self):
        self.assertEqual([path.name for path in (self.prefix / "include").iterdir()], ["bullpen"])
        self.assertEqual([path.name for path in (self.prefix / "bin").iterdir()], ["bullpen"])
        self.assertEqual(run(self.prefix / "bin/bullpen", "--version").strip(), f"bullpen {VERSION}")
        self.assertIn(f'#define BULLPEN_VERSION "{VERSION}"', (self.prefix / "include/bullpen/version.hpp").read_text())
        self.assertEqual(self.pkg_config("--modversion"), [VERSION])

    def test_no_header_includes_what_is_not_installed(self):
        for header in self.prefix.rglob("*.hpp"):
            for name in re.findall(r'^#include ["<](.*)[">]', header.read_text(), re.M):
                if "/" in name and not name.startswith(("sys/", "boost/")):
                    self.assertTrue((self.prefix / "include" / name).exists(), f"{header.name}: {name}")

    def test_the_shared_library_has_a_soname_and_exports_the_api_alone(self):
        self.assertIn(f"[libbullpen.so.{VERSION.rpartition('.')[0]}]", run("readelf", "--dynamic", self.shared))
        symbols = run("nm", "--dynamic", "--demangle", "--defined-only", self.shared).splitlines()
        owners = {re.sub(r"^\w+ \w (?:(?:vtable|typeinfo|typeinfo name) for )?bullpen::(\w+).*", r"\1", symbol)
                  for symbol in symbols}
        self.assertEqual(owners, API)
        for hidden in ("send_bytes", "receive_until", "notice_drain", "Waiter", "detail"):
            self.assertFalse([symbol for symbol in symbols if re.search(rf"\b{hidden}\b", symbol.partition("(")[0])])

    def configured(self, name, compiler, standard, *flags):
        build = self.home / name
        run("cmake", "-S", EXAMPLES, "-B", build, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_CXX_STANDARD={standard}", *flags)
        return build

    def by_find_package(self, compiler, standard):
        return self.configured(f"package-{compiler}-{standard}", compiler, standard, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                               "-DCMAKE_NO_SYSTEM_FROM_IMPORTED=ON")  # Else the compiler says nothing of our headers.

    def test_headers_are_clean_for_each_compiler_and_standard(self):
        include = self.prefix / "include"
        headers = sorted(path.relative_to(include) for path in include.glob("bullpen/*.hpp"))
        source = self.source("headers", "".join(f"#include <{header}>\n" for header in headers))
        for compiler, standard in MATRIX:
            run(compiler, STANDARDS[standard], *WARNINGS, *self.pkg_config("--cflags"), "-fsyntax-only", source)

    def test_a_wrong_function_for_http_is_told_what_to_write(self):
        for function, wanted in (("[](int) { return bullpen::HttpAnswer{}; }", "takes a function of (const bullpen::HttpRequest& request)"),
                                 ("[](const bullpen::HttpRequest&) { return 1; }", "returns a bullpen::HttpAnswer")):
            source = self.source("wrong", f"#include <bullpen/http.hpp>\nauto handler = bullpen::http_handler({function});\n")
            for compiler in COMPILERS:
                said = subprocess.run([compiler, "-std=c++20", *self.pkg_config("--cflags"), "-fsyntax-only", source], text=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False).stderr
                self.assertIn(wanted, said)
                self.assertEqual(said.count("error:"), 1, said)

    def test_echo_is_built_by_find_package(self):
        for compiler, standard in MATRIX:
            build = self.by_find_package(compiler, standard)
            run("cmake", "--build", build, "--target", "echo")
            check_echo(build / "echo")

    def test_all_examples_are_built_by_find_package(self):
        build = self.by_find_package("g++-12", "20")
        run("cmake", "--build", build)
        self.check_examples(build)

    def test_the_shared_library_is_a_target_and_needs_no_boost(self):
        project = self.home / "shared"
        project.mkdir()
        shutil.copy(EXAMPLES / "echo.cpp", project)
        (project / "CMakeLists.txt").write_text("""cmake_minimum_required(VERSION 3.25)
            project(user LANGUAGES CXX)
            find_package(bullpen 0.2 REQUIRED)
            add_executable(echo echo.cpp)
            target_link_libraries(echo PRIVATE bullpen::shared)""")
        run("cmake", "-S", project, "-B", project / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}",
            "-DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON")
        run("cmake", "--build", project / "build")
        self.assertIn("[libbullpen.so.", run("readelf", "--dynamic", project / "build/echo"))
        check_echo(project / "build/echo")

    def test_another_minor_version_is_not_taken(self):
        project = self.home / "other"
        project.mkdir()
        for version, taken in (("0.2", True), ("0.1", False), ("0.3", False), ("1.0", False)):
            (project / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.25)
                project(user LANGUAGES CXX)
                find_package(bullpen {version})
                message("found: ${{bullpen_FOUND}}")""")
            said = subprocess.run(["cmake", "-S", project, "-B", project / version, f"-DCMAKE_PREFIX_PATH={self.prefix}"],
                                  stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=True).stderr
            self.assertIn(f"found: {int(taken)}", said.replace("TRUE", "1").replace("FALSE", "0"))

    def test_echo_is_built_by_pkg_config(self):
        source = self.source("echo", (EXAMPLES / "echo.cpp").read_text())
        for (compiler, standard), link in itertools.product(MATRIX, (self.from_shared, self.from_archive)):
            check_echo(self.compile(source, *link(), compiler=compiler, standard=standard))

    def test_all_examples_are_built_by_pkg_config(self):
        copy = self.home / "pkg-config"
        shutil.copytree(EXAMPLES, copy)
        for source in copy.glob("*.cpp"):
            self.compile(source, *self.from_shared(), *LIBRARIES.get(source.stem, []), compiler="clang++-14", standard="23")
        self.check_examples(copy)

    def test_echo_is_built_by_add_subdirectory_which_leaks_nothing(self):
        """To compile the library itself takes minutes: without BULLPEN_LONG the one of build/ is linked in its place."""
        alone = CHECKS.keys() - LIBRARIES.keys()  # With no flags of another library.
        for standard in STANDARDS:
            build = self.configured("subdirectory", "g++-12", standard, f"-DBULLPEN_SOURCE={TOP}", "-DCMAKE_UNITY_BUILD=ON",
                                    "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
            link = run("ninja", "-C", build, "-t", "commands", "echo").splitlines()[-1]
            self.assertLessEqual({"bullpen/servers/libbullpen.a", "-Wl,--gc-sections"}, set(link.split()))
            commands = [each["command"] for each in json.loads((build / "compile_commands.json").read_text())
                        if any(f"/{example}.dir/" in each["command"] for example in alone)]
            if LONG:
                run("cmake", "--build", build, "--target", "echo")
            else:
                [compile_echo] = [command for command in commands if "/echo.dir/" in command]
                (build / re.search(r"-o (\S+)/echo", compile_echo)[1]).mkdir(parents=True, exist_ok=True)
                run("sh", "-c", compile_echo, cwd=build)
                run("sh", "-c", link.replace("bullpen/servers/libbullpen.a", str(self.archive)), cwd=build)
            check_echo(build / "echo")
            self.assertEqual(len(commands), len(alone))
            for command in commands:
                self.assertEqual({flag for flag in command.split() if re.match(r"-[WfODgm]", flag)}, set(WARNINGS))
            cache = (build / "CMakeCache.txt").read_text()
            self.assertRegex(cache, r"(?m)^CMAKE_BUILD_TYPE:\w+=$")
            self.assertNotRegex(cache, r"(?mi)^(cli11|tomlplusplus)_")
            self.assertEqual([path.name for path in build.rglob("libbullpen.so*")], [])
            for script in build.rglob("cmake_install.cmake"):
                self.assertNotIn("file(INSTALL", script.read_text(), script)

    def test_ten_lines_are_compiled_in_five_seconds_and_small(self):
        [code] = re.findall(r"```cpp\n(.*?)```", (TOP / "README.md").read_text(), re.DOTALL)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = self.compile(self.source("ten", code), *self.from_archive(), flags=["-O2"])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertLess(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 5)
        run("strip", program)
        self.assertLess(program.stat().st_size, 1_200_000)
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "--dynamic", program))
        self.assertFalse([name for name in needed if "bullpen" in name or "toml" in name], needed)

    def test_asynchronous_handlers_and_exceptions_cross_the_border_of_the_shared_library(self):
        for compiler in COMPILERS:
            for link in (self.from_shared, self.from_archive):
                with self.subTest(compiler=compiler, link=link.__name__):
                    check_echo(self.compile(self.source("asynchronous", ASYNC), *link(), compiler=compiler))
                    with started(self.compile(self.source("failures", FAILURES), *link(), compiler=compiler)) as port:
                        with connected(port) as client:
                            self.assertEqual(answer(client), b"timed out")


if __name__ == "__main__":
    unittest.main()
