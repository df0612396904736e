#!/usr/bin/env python3
"""--port-file: the addresses that were bound, from ready to the end, through reloads, upgrades and a master's death."""

import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import Bullpen, echo, wait_until
from upgradable import PROGRAM, Upgradable


class PortFile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.file = self.home / "ports"

    def lines(self):
        return [tuple(line.split(" ", 1)) for line in self.file.read_text().splitlines()]

    def addresses(self, pool):
        return [address for address, of in self.lines() if of == pool]

    def assert_gone(self):
        self.assertEqual([one.name for one in self.home.iterdir() if one.name.startswith("ports")], [])

    def test_it_has_each_address_while_the_server_is_ready(self):
        with Bullpen("echo", "--listen", "127.0.0.1:0", "--listen", f"unix:{self.home}/s", "--port-file", str(self.file)
                     ) as server:
            self.assertEqual(self.lines(), [(server.addresses[0], "default"), (f"unix:{self.home}/s", "default"),
                                            (f"127.0.0.1:{server.metrics_port}", "metrics")])
            self.assertEqual(self.file.stat().st_mode & 0o777, 0o644)
            os.kill(server.master, signal.SIGKILL)
            self.assertEqual(echo(("127.0.0.1", server.port)), b"hello")
            self.assertEqual(len(self.lines()), 3)
        self.assert_gone()

    def test_a_reload_puts_new_ones_in(self):
        config = self.home / "bullpen.toml"
        config.write_text("[pool.a]\nservice = 'echo'\nlisten = '127.0.0.1:0'\n")
        with Bullpen("--config", str(config), "--port-file", str(self.file)) as server:
            before = self.addresses("a")
            with config.open("a") as more:
                more.write("[pool.b]\nservice = 'echo'\nlisten = '127.0.0.1:0'\n")
            self.assertEqual(server.ctl("reload")[0], 0)
            self.assertEqual(self.addresses("a"), before)
            [added] = self.addresses("b")
            self.assertEqual(echo(("127.0.0.1", int(added.rpartition(":")[2]))), b"hello")
            config.write_text("[pool.b]\nservice = 'echo'\nlisten = '127.0.0.1:0'\n")
            self.assertEqual(server.ctl("reload")[0], 0)
            self.assertEqual((self.addresses("a"), self.addresses("b")), ([], [added]))
        self.assert_gone()

    def test_an_upgrade_leaves_it_to_the_new_server(self):
        with Upgradable(self.home, "echo", "--workers", "1", "--port-file", str(self.file)) as server:
            before = self.lines()
            server.upgrade()
            wait_until(lambda: self.lines() == before, "the same addresses")
        self.assert_gone()

    def test_one_that_cannot_be_written_is_an_error_at_the_start(self):
        done = subprocess.run([PROGRAM, "serve", "echo", "--listen", "127.0.0.1:0", "--metrics", "off", "--control", "off",
                               "--port-file", str(self.home / "no/ports")], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Abullpen: cannot write the port file \S+/no/ports: No such file or directory\n\Z")


if __name__ == "__main__":
    unittest.main()
