"""What README.md and the pages that it links say is true: the code compiles and serves, the commands run."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from harness import TOP, end_with, wait_until

README = TOP / "README.md"
SERVE_PAGE = TOP / "servers/README.md"
METRICS_PAGE = TOP / "metrics/README.md"
FOLDERS = ("core", "pool", "metrics", "servers", "deploy", "tests")
TUTORIAL = TOP / "servers/TUTORIAL.md"  # tests/servers/tutorial_test.py runs its commands.
PAGES = [README, *sorted(page for folder in FOLDERS for page in (TOP / folder).rglob("*.md"))]
BUILD = Path(os.environ.get("BULLPEN_OPTIMISED", TOP / "build/bullpen")).parent
SANITIZED = Path(os.environ.get("BULLPEN", TOP / "build/sanitized/bullpen")).parent
ANYWHERE = {**os.environ, "BULLPEN_WERROR": "OFF"}
PORTS = (8080, 8007, 9464)  # Of the servers that the pages start.
# Of promtool, prometheus, doctest, cmake, ctest, curl and pkg-config.
SELDOM = {"bullpen_urgent_bytes_total",  # Exported only with the flag that asks for it,
          "bullpen_datagram_peers_connected",
          *(f"bullpen_datagrams_{of}total"  # or by such a pool.
            for of in ("", "refused_", "truncated_", "sent_", "unsent_", "dropped_"))}
OTHERS_FLAGS = {"--config", "--source-file", "--install", "--prefix", "--cflags", "--libs", "--static", "--build", "--test-dir",
                "--output-on-failure", "--retry", "--retry-delay", "--retry-connrefused"}


@contextlib.contextmanager
def ended(process):
    """The process, which is killed if the test fails while it runs."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def blocks(language, page):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def command_blocks(page):
    """The commands of a page, one list a block."""
    return [[line.split(" #")[0].strip() for line in block.splitlines() if line.strip()]
            for block in blocks("sh", page)]


def compile_program(source, program):
    subprocess.run(["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{TOP}/core/include",
                    f"-I{TOP}/servers/include", str(source), "-o", program, str(BUILD / "servers/libbullpen.a"),
                    "-lprometheus-cpp-core", "-lspdlog", "-lfmt", "-lboost_json"], check=True, timeout=120)


def links(page):
    """The files that a page links, code left out."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return [(page.parent / link).resolve() for link in re.findall(r"\]\(([^)]+)\)", prose)]


def metric_names(text):
    return re.findall(r"bullpen_\w+_(?:total|seconds|flight|max|min|info|length|limit)\b", text)


def flags_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def flags_of(*command):
    """Those in a command's help text."""
    return flags_in(subprocess.run([*command, "--help"], cwd=TOP, capture_output=True, text=True, timeout=60,
                                   check=True).stdout)


class Readme(unittest.TestCase):
    def setUp(self):
        self.background = contextlib.ExitStack()
        self.addCleanup(self.background.close)

    def test_the_programs_of_the_library_s_page_compile_and_do_what_they_say(self):
        program, test = blocks("cpp", TOP / "servers/API.md")
        with tempfile.TemporaryDirectory() as home:
            source = Path(home, "program.cpp")
            source.write_text("#include <string>\n" + program)
            compile_program(source, f"{home}/program")
            source = Path(home, "test.cpp")
            source.write_text(f"""#undef NDEBUG
                #include <cassert>
                #include <bullpen/testing.hpp>
                int main() {{
                    bullpen::Options options;
                    auto handler = [](bullpen::Connection& client) {{ client.write_all("hello"); }};
                    {test}
                }}""")
            compile_program(source, f"{home}/test")
            subprocess.run([f"{home}/test"], check=True, timeout=60, stderr=subprocess.DEVNULL)

    def test_the_ten_lines_compile_and_echo(self):
        [code] = blocks("cpp", README)
        self.assertLessEqual(len(code.strip().splitlines()), 10)
        with tempfile.TemporaryDirectory() as home:
            source = Path(home, "example.cpp")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            source.write_text(code.replace("127.0.0.1:7000", f"127.0.0.1:{port}"))
            compile_program(source, f"{home}/example")
            with ended(subprocess.Popen([f"{home}/example"], stderr=subprocess.DEVNULL,
                                        preexec_fn=end_with(os.getpid()))) as server:
                def answers():
                    try:
                        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                            client.sendall(b"hello")
                            client.shutdown(socket.SHUT_WR)
                            return client.recv(100)
                    except ConnectionRefusedError:
                        return None
                self.assertEqual(wait_until(answers, "an answer"), b"hello")
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(30), 0)

    def test_every_command_of_every_page_runs(self):
        self.skip_if_a_port_is_taken()
        for page in PAGES:
            for block in command_blocks(page) if page != TUTORIAL else ():
                for command in block:
                    with self.subTest(page=str(page.relative_to(TOP)), command=command):
                        self.run_command(command)
                self.stop_servers()

    def skip_if_a_port_is_taken(self):
        for port in PORTS:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    self.skipTest(f"port {port} is taken by another program on this machine")

    def run_command(self, command):
        if command.startswith("./tests/run"):
            self.assertIn("\n./tests/run ", (TOP / ".ci/run").read_text())
            self.ctest_finds_tests(command.split()[1:])
        elif command == "./deploy/quickstart":
            self.quickstart_serves()
        elif command.endswith(" &"):
            self.start_server(command.removesuffix(" &"))
        else:
            done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=TOP, env=ANYWHERE, capture_output=True,
                                  text=True, timeout=300, stdin=subprocess.DEVNULL, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            if command not in ("./tests/format", "cmake -DROOT=. -P tests/layering.cmake"):
                self.assertTrue(done.stdout)

    def ctest_finds_tests(self, arguments):
        """As many as ctest would run with these arguments, which takes too long here."""
        if not (SANITIZED / "CTestTestfile.cmake").exists():
            self.skipTest("tests/run has not configured build/sanitized")
        listed = subprocess.run(["ctest", "--test-dir", str(SANITIZED), "-N", *arguments], capture_output=True,
                                text=True, timeout=60, check=True)
        self.assertNotIn("Total Tests: 0", listed.stdout)

    def start_server(self, command):
        """It runs until stop_servers()."""
        server = self.background.enter_context(ended(subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, text=True, preexec_fn=end_with(os.getpid()))))
        self.background.callback(self.stop, server)
        self.assertTrue(any("ready" in line for line in server.stdout), "it ended before it was ready")

    def stop(self, server):
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(60), 0)

    def stop_servers(self):
        self.background.close()

    def quickstart_serves(self):
        began = time.monotonic()
        with ended(subprocess.Popen(["./deploy/quickstart"], cwd=TOP, env=ANYWHERE, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True,
                                    preexec_fn=end_with(os.getpid()))) as server:
            lines = [server.stdout.readline() for _ in range(2)]
            self.assertLess(time.monotonic() - began, 60)  # Five seconds on a machine that is not busy testing.
            self.assertEqual(lines, ["bullpen: serving http at http://127.0.0.1:8080/\n",
                                     "bullpen: metrics at http://127.0.0.1:9464/metrics\n"])
            with urllib.request.urlopen("http://127.0.0.1:8080/README.md", timeout=30) as page:
                self.assertEqual(page.read().decode(), README.read_text())
            with urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=30) as page:
                scrape = page.read().decode()
            for page in PAGES:
                unknown = [name for name in set(metric_names(page.read_text())) - SELDOM if f"# TYPE {name} " not in scrape]
                self.assertEqual(unknown, [], page)
            exported = set(re.findall(r"# TYPE (\w+) ", scrape))
            self.assertEqual(exported - set(re.findall(r"bullpen_\w+", METRICS_PAGE.read_text())), set())
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
            self.assertEqual(server.wait(60), 0)

    def test_files_folders_and_links_that_they_name_exist(self):
        for page in PAGES:
            text = page.read_text()
            for name in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", text):
                self.assertTrue((TOP / name).exists(), f"{page}: {name}")
            for link in links(page):
                self.assertTrue(link.exists(), f"{page}: {link}")

    def test_every_page_can_be_reached_from_the_readme(self):
        reached = [README]
        for page in reached:
            reached += {link for link in links(page) if link.suffix == ".md"} - set(reached)
        self.assertEqual(sorted(reached), sorted(PAGES))

    def test_every_flag_that_they_name_is_in_a_help_text(self):
        bullpen = str(BUILD / "bullpen")
        known = OTHERS_FLAGS | flags_of("./tests/peers/run").union(
            flags_of(bullpen), *(flags_of(bullpen, command) for command in ("serve", "inetd", "ctl", "sockets", "call", "compare", "load", "handle")))
        for page in PAGES:
            self.assertEqual(flags_in(page.read_text()) - known, set(), page)

    def test_every_flag_of_serve_is_on_its_page(self):
        self.assertEqual(flags_of(str(BUILD / "bullpen"), "serve") - flags_in(SERVE_PAGE.read_text()), set())


if __name__ == "__main__":
    unittest.main()
