"""The load generators that people have, in front of the service http under every model."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import Bullpen


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL, check=True)
    return done.stdout


class Clients(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        Path(self.home.name, "small.txt").write_text("x" * 128)

    def each(self):
        for model in ("iterative", "fork", "prefork"):
            with self.subTest(model=model), Bullpen("http", "--root", self.home.name, "--model", model) as server:
                yield model, server, server.url + "small.txt"

    def test_ab_completes_every_request(self):
        for _, server, url in self.each():
            output = run("ab", "-q", "-n", "1000", "-c", "16", url)
            self.assertRegex(output, r"Complete requests:\s+1000\n")
            self.assertRegex(output, r"Failed requests:\s+0\n")
            self.assertNotIn("Non-2xx", output)

    def test_ab_keeps_connections_alive(self):
        for model, server, url in self.each():
            output = run("ab", "-q", "-k", "-n", "1000", "-c", "1" if model == "iterative" else "4", url)
            self.assertRegex(output, r"Keep-Alive requests:\s+1000\n")
            self.assertRegex(output, r"Failed requests:\s+0\n")

    def test_wrk_sees_no_error_when_each_connection_has_its_worker(self):
        for model, server, url in self.each():
            if model == "iterative":
                continue  # Kept-alive connections would wait for each other.
            output = run("wrk", "-t1", "-c4", "-d1", url)
            self.assertGreater(int(re.search(r"(\d+) requests in", output)[1]), 0)
            self.assertNotIn("Non-2xx", output)
            self.assertNotIn("Socket errors", output)

    def test_h2load_speaks_http_1_1_with_it(self):
        for model, server, url in self.each():
            clients = "1" if model == "iterative" else "4"
            output = run("h2load", "--h1", "-n", "400", "-c", clients, url)
            self.assertIn("400 succeeded, 0 failed, 0 errored, 0 timeout", output)


if __name__ == "__main__":
    unittest.main()
