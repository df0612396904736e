""""ready" is the truth: a call that fails during the start ends it in one sentence, or the server serves and stops."""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from every_model import under
from faults import OPTIMISED
from harness import processes, wait_until

CALLS = ("epoll_create1", "pipe2", "epoll_ctl", "signalfd4", "eventfd2", "timerfd_create", "socketpair",
         "memfd_create", "ftruncate,fallocate", "socket", "bind", "listen", "setsockopt", "clone")
CALLS_MOST = 40  # The k-th call of a kind, until a start makes no more of them.


class Start:
    """One start of the program under strace, which makes one call fail."""

    def __init__(self, call, number, *flags):
        self.stderr = tempfile.TemporaryFile()
        self.trace = tempfile.NamedTemporaryFile()
        os.chmod(self.trace.name, 0o644)
        self.control = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            ["strace", "-DDD", "-o", self.trace.name, "-e", f"trace={call}", "-e", "signal=none",
             "-e", f"inject={call}:error={'EMFILE' if call != 'clone' else 'EAGAIN'}:when={number}",
             OPTIMISED, "serve", "work", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
             "--workers", "2", "--control", self.control.name, *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr, start_new_session=True)

    def read_output(self):
        """Until it is ready or has ended."""
        self.output = b""
        while b"bullpen: ready" not in self.output and select.select([self.process.stdout], [], [], 20)[0]:
            if not (piece := os.read(self.process.stdout.fileno(), 65536)):
                break
            self.output += piece
        return self.output.decode()

    def was_hit(self):
        return b"(INJECTED)" in open(self.trace.name, "rb").read()

    def complaint(self):
        return os.pread(self.stderr.fileno(), 65536, 0).decode()

    def end(self):
        for pid, state, _, group, _ in processes():
            if group == self.process.pid and state != "Z":
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.stderr.close()
        self.trace.close()
        self.control.cleanup()


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class Starting(unittest.TestCase):
    @under("prefork", "prefork-accept")
    def test_each_call_that_may_fail_at_the_start_ends_it_or_the_server_serves(self, model):
        for call in CALLS:
            for number in range(1, CALLS_MOST):
                start = Start(call, number, "--model", model)
                try:
                    with self.subTest(call=call, number=number):
                        output = start.read_output()
                        if "bullpen: ready" in output:
                            self.check_that_it_serves(start, output)
                        else:
                            self.assertEqual(start.process.wait(10), 1, start.complaint())
                            self.assertRegex(start.complaint(), r"\Abullpen: [^\n]+\n\Z")
                    if not start.was_hit():
                        break
                finally:
                    start.end()

    def check_that_it_serves(self, start, output):
        address = re.search(r"serving work at (\S+)", output)[1]
        for last in (False, True):  # The call may have failed for the first client alone.
            try:
                with urllib.request.urlopen(f"http://{address}/bytes/3", timeout=10) as answer:
                    self.assertEqual(answer.read(), b"xxx")
                break
            except (ConnectionError, urllib.error.URLError):
                if last:
                    raise
        began = time.monotonic()
        start.process.send_signal(signal.SIGTERM)
        self.assertEqual(start.process.wait(10), 0, "it does not stop in order")
        self.assertLess(time.monotonic() - began, 8)
        wait_until(lambda: not any(group == start.process.pid and state != "Z"
                                   for _, state, _, group, _ in processes()), "its last process")


if __name__ == "__main__":
    unittest.main()
