"""The master is killed before and after each of its system calls in a reload: nobody is lost, nor is the reload."""

import http.client
import signal
import tempfile
import unittest
from contextlib import closing
from pathlib import Path

from faults import LONG
from harness import Bullpen, free_port, wait_until
from stepping import Kill, Steps, is_possible


def get(client):
    client.request("GET", "/file.txt")
    answer = client.getresponse()
    return answer.status, answer.read().decode()


@unittest.skipUnless(is_possible(), "no process may be led by system calls here")
class Reloads(unittest.TestCase):
    STEP = 1 if LONG else 4  # Of so many kills one.

    def body(self, server):
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as client:
            return get(client)[1]

    def test_a_kill_at_each_system_call_loses_neither_a_client_nor_the_reload(self):
        with tempfile.TemporaryDirectory() as home:
            for name in ("old", "new"):
                Path(home, name).mkdir()
                Path(home, name, "file.txt").write_text(name)
            config, port, other = Path(home, "bullpen.toml"), free_port(), free_port()

            def write(root):
                more = f'[pool.other]\nlisten = "127.0.0.1:{other}"\nservice = "echo"\nworkers = 1\n'
                config.write_text(f'[pool.web]\nlisten = "127.0.0.1:{port}"\nroot = "{home}/{root}"\nworkers = 2\n' +
                                  (more if root == "new" else ""))

            write("old")
            with Bullpen("--config", str(config)) as server, \
                    closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as kept:
                kept.connect()
                number = struck = 0
                while struck == number // self.STEP:  # Until a reload is over before it is struck.
                    root = ("new", "old")[struck % 2]
                    write(root)
                    kill = Kill(number + 1)
                    with self.subTest(call=number):
                        with Steps([server.master], kill):
                            server.terminate(signal.SIGHUP)
                            wait_until(lambda: "serving" in server.ctl("status")[1] and self.body(server) == root,
                                       "the new root")
                        self.assertEqual(get(kept), (200, root))
                    struck += kill.place is not None
                    number += self.STEP
                print(f"\n{struck} kills", end="", flush=True)
                self.assertGreater(struck, 40 if LONG else 8)
                self.assertEqual(server.total("bullpen_connections_lost_total"), 0)
                self.assertEqual(server.total("bullpen_config_last_reload_successful"), 1)
                kept.close()


if __name__ == "__main__":
    unittest.main()
