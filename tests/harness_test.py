"""What the tests themselves promise: they leave nothing behind, however they end."""

import os
import signal
import subprocess
import sys
import unittest

from harness import TOP, processes, wait_until

SERVE_AND_WAIT = """
import os, signal, sys
from harness import Bullpen, wait_until
with Bullpen("echo", "--workers", "2") as server:
    wait_until(lambda: len(server.workers()) == 2, "its workers")
    print(server.pid, flush=True)
    signal.pause()
"""


class Harness(unittest.TestCase):
    def test_a_test_that_is_killed_takes_its_server_along(self):
        environment = {**os.environ, "PYTHONPATH": str(TOP / "tests")}
        with subprocess.Popen([sys.executable, "-c", SERVE_AND_WAIT], stdout=subprocess.PIPE, text=True,
                              env=environment) as test:
            master = int(test.stdout.readline())

            def left():
                return [pid for pid, state, _, _, session in processes() if session == master and state != "Z"]

            self.assertGreaterEqual(len(left()), 3)
            test.send_signal(signal.SIGKILL)
            wait_until(lambda: not left(), "the end of the server's processes")


if __name__ == "__main__":
    unittest.main()
