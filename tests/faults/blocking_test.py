"""Nothing that a worker shares with the master can block the master."""

import shutil
import time
import unittest
from contextlib import closing

from faults import NO_LEAK_CHECK, Hostile, connect, injected
from harness import wait_until


def answered(server, word=b"a"):
    """One client's question; everybody who can't be served for the master's sake waits for that long."""
    with closing(connect(server, timeout=5)) as client:
        client.sendall(word)
        return client.recv(len(word))


class Blocking(unittest.TestCase):
    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_an_eventfd_that_was_made_blocking_and_is_emptied_stops_no_client(self):
        with Hostile("drains_eventfds", "model=prefork", "workers=2", env=NO_LEAK_CHECK) as server:
            with injected(server.master, "read,preadv2:delay_enter=50000", follow=False):
                with closing(connect(server)) as client:  # The handler empties it in these 50 ms.
                    client.sendall(b"a")
                    client.recv(1)
            for number in range(3):
                self.assertEqual(answered(server), b"a", f"client {number}")

    def test_a_parked_client_whose_close_would_wait_holds_up_nobody(self):
        with Hostile("lingers", "model=prefork", "workers=2", "idle_ms=300") as server:
            with closing(connect(server)) as deaf:  # It takes nothing: its close would wait for SO_LINGER's 20 s.
                deaf.sendall(b"l")
                wait_until(lambda: server.total("bullpen_connections_parked_total") == 1, "it to be parked")

                def over():
                    self.assertEqual(answered(server), b"a")
                    return server.total("bullpen_connections_timed_out_total", limit="idle") == 1
                wait_until(over, "its idle limit")
                for _ in range(20):
                    self.assertEqual(answered(server), b"a")

    def test_such_a_client_delays_no_stop(self):
        with Hostile("lingers", "model=prefork", "workers=2", "idle_ms=60000", "drain_s=2") as server:
            with closing(connect(server)) as deaf:
                deaf.sendall(b"l")
                wait_until(lambda: server.total("bullpen_connections_parked_total") == 1, "it to be parked")
                began = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - began, 8)  # Its close would wait for 20 s.


if __name__ == "__main__":
    unittest.main()
