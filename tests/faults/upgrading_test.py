"""The old master, or the new one, is killed before and after each of its system calls in an upgrade: either the new server
serves, or the old one does as if nothing had been, and nobody who connects is lost."""

import http.client
import json
import os
import signal
import tempfile
import unittest
from contextlib import closing
from pathlib import Path

from faults import LONG
from harness import processes, title, wait_until
from stepping import Kill, Steps, is_possible
from upgradable import Upgradable


def masters_of(keeper):
    return [pid for pid, state, parent, _, _ in processes()
            if parent == keeper and state != "Z" and title(pid).startswith("bullpen: master")]


@unittest.skipUnless(is_possible(), "no process may be led by system calls here")
class Upgrades(unittest.TestCase):
    def has_gone_over(self, server, before):
        """A master that dies takes the clients of ctl along."""
        status, out, _ = server.ctl("--json", "status")
        return status == 0 and json.loads(out)["server"]["pid"] != before

    def get(self, port):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as client:
            client.request("GET", "/file.txt")
            answer = client.getresponse()
            return answer.status, answer.read()

    def sweep(self, step, children, is_victim):
        """Upgrades with a kill at each system call, or at one of `step`, until one is over before its kill. `children`: not
        the old master is led, but what it starts."""
        with tempfile.TemporaryDirectory() as home:
            Path(home, "file.txt").write_text("hello")
            with Upgradable(home, "--root", home, "--workers", "2") as server:
                number = struck = 0
                while struck == number // step:
                    kill = Kill(number + 1)
                    before = server.keeper
                    with self.subTest(call=number):
                        master = wait_until(lambda: next(iter(masters_of(before)), None), "a master")
                        with Steps([master], lambda pid, stop: is_victim(pid) and kill(pid, stop), children):
                            os.kill(before, signal.SIGUSR2)
                            wait_until(lambda: kill.place or self.has_gone_over(server, before), "the end")
                        for _ in range(3):
                            self.assertEqual(self.get(server.port), (200, b"hello"))
                        # Whoever serves can be upgraded, once what was under way is over.
                        wait_until(lambda: server.ctl("upgrade")[0] == 0, "another upgrade")
                        self.assertNotEqual(server.keeper, before)
                        self.assertEqual(self.get(server.port), (200, b"hello"))
                        self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
                    struck += kill.place is not None
                    number += step
                print(f"\n{struck} kills", end="", flush=True)
                self.assertGreater(struck, 40 if LONG else 6)

    def test_a_kill_of_the_old_master_leaves_the_old_server_or_the_new_one(self):
        self.sweep(1 if LONG else 6, False, lambda _: True)

    def test_a_kill_of_the_new_master_leaves_the_old_server_or_the_new_one(self):
        is_master = {}  # Of the processes that have a title.

        def is_victim(pid):
            if pid not in is_master and title(pid).startswith("bullpen: "):
                is_master[pid] = title(pid).startswith("bullpen: master")
            return is_master.get(pid, False)

        self.sweep(3 if LONG else 90, True, is_victim)


if __name__ == "__main__":
    unittest.main()
