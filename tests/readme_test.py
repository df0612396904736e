"""What the README says is true: its code compiles and serves, its commands run."""

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

README = (TOP / "README.md").read_text()
BUILD = Path(os.environ.get("BULLPEN_OPTIMISED", TOP / "build/bullpen")).parent
ANYWHERE = {**os.environ, "BULLPEN_WERROR": "OFF"}


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


def commands():
    return [line.split("#")[0].strip() for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
            for line in block.splitlines() if line.strip()]


class Readme(unittest.TestCase):
    def test_the_ten_lines_compile_and_echo(self):
        [code] = re.findall(r"```cpp\n(.*?)```", README, re.DOTALL)
        self.assertLessEqual(len(code.strip().splitlines()), 10)
        with tempfile.TemporaryDirectory() as home:
            source = Path(home, "example.cpp")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            source.write_text(code.replace("127.0.0.1:7000", f"127.0.0.1:{port}"))
            libraries = [str(BUILD / folder / f"libbullpen_{folder}.a") for folder in
                         ("servers", "metrics", "pool", "core")]
            subprocess.run(["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{TOP}", str(source), "-o",
                            f"{home}/example", *libraries, "-lprometheus-cpp-core", "-lspdlog", "-lfmt", "-pthread"],
                           check=True, timeout=120)
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

    def test_each_command_is_one_that_a_test_runs(self):
        for command in commands():
            with self.subTest(command=command):
                if command == "./tests/run":
                    self.assertIn("\n./tests/run ", (TOP / ".ci/run").read_text())
                elif command == "./deploy/quickstart":
                    self.quickstart_serves()
                else:
                    done = subprocess.run(command.split(), cwd=TOP, env=ANYWHERE, capture_output=True, text=True,
                                          timeout=300, stdin=subprocess.DEVNULL, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertTrue(done.stdout)

    def quickstart_serves(self):
        for port in (8080, 9464):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    self.skipTest(f"port {port} is taken by another program on this machine")
        began = time.monotonic()
        with ended(subprocess.Popen(["./deploy/quickstart"], cwd=TOP, env=ANYWHERE, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True,
                                    preexec_fn=end_with(os.getpid()))) as server:
            lines = [server.stdout.readline() for _ in range(2)]
            self.assertLess(time.monotonic() - began, 60)  # Five seconds on a machine that is not busy testing.
            self.assertEqual(lines, ["bullpen: serving http at http://127.0.0.1:8080/\n",
                                     "bullpen: metrics at http://127.0.0.1:9464/metrics\n"])
            with urllib.request.urlopen("http://127.0.0.1:8080/README.md", timeout=30) as page:
                self.assertEqual(page.read().decode(), README)
            with urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=30) as page:
                self.assertIn("bullpen_workers", page.read().decode())
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
            self.assertEqual(server.wait(60), 0)

    def test_files_and_folders_it_names_exist(self):
        for name in re.findall(r"`((?:core|pool|metrics|servers|deploy|tests)/[\w./-]+)`", README):
            self.assertTrue((TOP / name).exists(), name)


if __name__ == "__main__":
    unittest.main()
