"""Handlers that several threads run at once: what they share (caches, dates, tables) must bear it. TSan says whether
it does: ctest runs this with build/tsan/bullpen, too."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import TOP, Bullpen

PROGRAM = os.environ.get("BULLPEN", str(TOP / "build/bullpen"))
OF_THREADS = {
    "thread": [],
    "prethread": ["--workers", "8"],
    "prethread-accept": ["--workers", "8"],
    "prefork": ["--workers", "8", "--threads", "4"],
}


def load(server, path, *flags):
    """What `bullpen load` says of a second of eight clients."""
    said = subprocess.run([PROGRAM, "load", f"http://127.0.0.1:{server.port}/{path}", "--concurrency", "8", "--duration",
                           "1", "--json", "-", *flags], check=True, capture_output=True, text=True, timeout=120).stdout
    return json.loads(said[said.index("{"):])


class Http(unittest.TestCase):
    def serve(self, service, *flags):
        for model, workers in OF_THREADS.items():
            with self.subTest(model=model), tempfile.TemporaryDirectory() as root:
                Path(root, "small.html").write_bytes(b"x" * 128)
                Path(root, "large.bin").write_bytes(b"y" * 300_000)
                with Bullpen(service, "--root", root, "--model", model, *workers, *flags) as server:
                    yield server

    def test_http_with_files_kept_open_serves_eight_clients_at_once(self):
        for server in self.serve("http", "--file-cache", "1"):
            self.try_paths(server, "small.html", "large.bin", "")

    def test_http_without_a_cache_does(self):
        for server in self.serve("http"):
            self.try_paths(server, "small.html")

    def test_work_does(self):
        for server in self.serve("work"):
            self.try_paths(server, "bytes/100000", "cpu/100")

    def try_paths(self, server, *paths):
        for path in paths:
            for reuse in ([], ["--keep-alive"]):
                result = load(server, path, *reuse)
                self.assertGreater(result["requests"], 8)
                self.assertEqual(result["failed"], 0, result)


if __name__ == "__main__":
    unittest.main()
